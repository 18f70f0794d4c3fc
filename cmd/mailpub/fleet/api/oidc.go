package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// Cookies of a browser: __Host- keeps them to this host, and to HTTPS.
const (
	sessionCookie = "__Host-mailpub"
	loginCookie   = "__Host-mailpub-login"
)

// loginTime is how long a login at the issuer may take.
const loginTime = 10 * time.Minute

// OIDCOptions say where people log in.
type OIDCOptions struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	URL          string // of this server, as browsers reach it
	Key          []byte // 32 octets that all servers of a fleet share: sessions are sealed with it
}

// OIDC lets people log in with a browser, by OpenID Connect with PKCE (RFC 7636). Sessions are in a sealed
// cookie: nothing is kept. Who a person is and may do is read anew with each request.
type OIDC struct {
	issuer   string
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	sealer   cipher.AEAD
	now      func() time.Time
}

// NewOIDC reads what the issuer says of itself.
func NewOIDC(ctx context.Context, o OIDCOptions) (*OIDC, error) {
	if !strings.HasPrefix(o.URL, "https://") {
		return nil, errors.New("the server's own URL is not https://, and a session's cookie needs it")
	}

	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		return nil, err
	}

	block, err := aes.NewCipher(o.Key)
	if err != nil || len(o.Key) != 32 {
		return nil, errors.New("the key for sessions is not 32 octets long")
	}

	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}

	return &OIDC{
		issuer: o.Issuer,
		oauth: oauth2.Config{
			ClientID:     o.ClientID,
			ClientSecret: o.ClientSecret,
			Endpoint:     provider.Endpoint(),
			RedirectURL:  strings.TrimSuffix(o.URL, "/") + "/login/back",
			Scopes:       []string{oidc.ScopeOpenID, "profile", "email"},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: o.ClientID}),
		sealer:   sealer,
		now:      time.Now,
	}, nil
}

// underway is a login that was begun, in a cookie of its browser.
type underway struct {
	State, Nonce, Verifier string
	Until                  time.Time
}

// session is who logged in, in the cookie.
type session struct {
	Subject string
	Until   time.Time
}

// put seals a value into a cookie. purpose keeps the two kinds apart.
func (o *OIDC) put(w http.ResponseWriter, name string, value any, life time.Duration) {
	plain, err := json.Marshal(value)
	if err != nil {
		return
	}

	http.SetCookie(w, &http.Cookie{
		Name: name,
		Value: base64.RawURLEncoding.EncodeToString(o.sealer.Seal(nil, nil, plain,
			[]byte(name))),
		Path:     "/",
		MaxAge:   int(life.Seconds()),
		Secure:   true,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

func (o *OIDC) get(r *http.Request, name string, into any) bool {
	c, err := r.Cookie(name)
	if err != nil {
		return false
	}

	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return false
	}

	plain, err := o.sealer.Open(nil, nil, sealed, []byte(name))
	return err == nil && json.Unmarshal(plain, into) == nil
}

func clearCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name:     name,
		Path:     "/",
		MaxAge:   -1,
		Secure:   true,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// session returns who a request's cookie stands for.
func (o *OIDC) session(r *http.Request, db *store.DB) (store.Principal, error) {
	var s session
	if !o.get(r, sessionCookie, &s) || o.now().After(s.Until) {
		return store.Principal{}, errNoLogin
	}
	return db.LoginPerson(r.Context(), o.issuer, s.Subject)
}

// begin sends a browser to the issuer.
func (o *OIDC) begin(w http.ResponseWriter, r *http.Request) {
	u := underway{
		State:    rand.Text(),
		Nonce:    rand.Text(),
		Verifier: oauth2.GenerateVerifier(),
		Until:    o.now().Add(loginTime),
	}

	o.put(w, loginCookie, u, loginTime)
	http.Redirect(w, r, o.oauth.AuthCodeURL(u.State, oidc.Nonce(u.Nonce),
		oauth2.S256ChallengeOption(u.Verifier)), http.StatusFound)
}

// errBack is the error of a browser that comes back with something else than it was sent with.
var errBack = errors.New("the login was not begun here, took too long, or was refused: begin again")

// back takes a browser back from the issuer, and begins its session.
func (o *OIDC) back(w http.ResponseWriter, r *http.Request) (name string, err error) {
	var u underway
	there := o.get(r, loginCookie, &u)
	clearCookie(w, loginCookie)
	q := r.URL.Query()

	if !there || o.now().After(u.Until) || q.Get("state") != u.State || q.Get("code") == "" {
		return "", errBack
	}

	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()

	token, err := o.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(u.Verifier))
	if err != nil {
		return "", errBack
	}

	raw, _ := token.Extra("id_token").(string)
	id, err := o.verifier.Verify(ctx, raw)
	if err != nil || id.Nonce != u.Nonce || id.Subject == "" {
		return "", errBack
	}

	var claims struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}

	_ = id.Claims(&claims) // only shown
	o.put(w, sessionCookie, session{
		Subject: id.Subject,
		Until:   o.now().Add(store.Session),
	}, store.Session)

	return id.Subject, nil
}
