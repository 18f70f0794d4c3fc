//go:build linux

package api

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// issuer is a stand-in for an OpenID Connect issuer: it logs everybody in as subject, at once.
type issuer struct {
	*httptest.Server
	key       *rsa.PrivateKey
	subject   string
	nonce     string // "": the one that was asked for
	audience  string
	challenge string
	asked     string
}

func newIssuer(t *testing.T) *issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	i := &issuer{key: key, subject: "mario", audience: "mailpub"}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)

	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token",
			"jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		i.challenge, i.asked = q.Get("code_challenge"), q.Get("nonce")
		if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || i.asked == "" {
			t.Errorf("asked without PKCE, state or nonce: %s", r.URL)
		}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != i.challenge {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": "invalid_grant"})
			return
		}
		nonce := i.asked
		if i.nonce != "" {
			nonce = i.nonce
		}
		claims, _ := json.Marshal(map[string]any{"iss": i.URL, "sub": i.subject, "aud": i.audience, "nonce": nonce, "name": "Mario",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
		signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
		signed, _ := signer.Sign(claims)
		text, _ := signed.CompactSerialize()
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": text, "expires_in": 3600})
	})

	return i
}

// A person logs in with a browser, sees the own tenant and no other, and a stolen or forged login is refused.
func TestOIDC(t *testing.T) {
	f := newFleet(t)
	one, two := f.make("one"), f.make("two")
	i := newIssuer(t)
	f.http.Close()
	server := httptest.NewTLSServer(nil)
	defer server.Close()

	key := make([]byte, 32)
	rand.Read(key)
	var err error
	f.server.OIDC, err = NewOIDC(t.Context(), OIDCOptions{Issuer: i.URL, ClientID: "mailpub", ClientSecret: "s", URL: server.URL, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = f.server.Handler()

	browser := func() *http.Client {
		jar, _ := cookiejar.New(nil)
		return &http.Client{Transport: server.Client().Transport, Jar: jar}
	}
	get := func(c *http.Client, path string) (int, string) {
		t.Helper()
		resp, err := c.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}

	mario := browser()
	if status, body := get(mario, "/"); status != 403 || !strings.Contains(body, "have no role yet") {
		t.Errorf("without a role: %d %s", status, body)
	}

	var person int64
	f.tx(func(tx pgx.Tx) (err error) {
		if person, err = store.PutPerson(t.Context(), tx, store.Person{Issuer: i.URL, Subject: "mario", Name: "Mario"}); err != nil {
			return err
		}
		return store.PutMember(t.Context(), tx, person, "one", store.RoleOperate)
	})

	if status, body := get(mario, "/"); status != 200 || !strings.Contains(body, one.name) || strings.Contains(body, two.name) || !strings.Contains(body, "Mario") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(mario, fmt.Sprintf("/site/%d", two.site)); status != 404 {
		t.Errorf("the page of another tenant: %d", status)
	}

	u, _ := url.Parse(server.URL)
	for _, c := range mario.Jar.Cookies(u) {
		if strings.Contains(c.Value, "mario") {
			t.Errorf("%s says who it is: %s", c.Name, c.Value)
		}
	}

	// Writing with the cookie takes the own origin: a page from elsewhere can't.
	for site, want := range map[string]int{"same-origin": 202, "cross-site": 403, "same-site": 403, "none": 403, "": 403} {
		req, _ := http.NewRequest("POST", fmt.Sprintf("%s%s/sites/%d/look", server.URL, prefix, one.site), nil)
		if site != "" {
			req.Header.Set("Sec-Fetch-Site", site)
		}
		resp, err := mario.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("from %q: %d, want %d", site, resp.StatusCode, want)
		}
	}

	// What a browser comes back with has to be what it was sent with.
	for name, change := range map[string]func(){
		"another nonce":    func() { i.nonce = "x" },
		"another audience": func() { i.nonce, i.audience = "", "other" },
	} {
		change()
		if status, body := get(browser(), "/login"); status != 403 || !strings.Contains(body, "begin again") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	i.nonce, i.audience = "", "mailpub"
	for _, path := range []string{"/login/back", "/login/back?code=c&state=x"} {
		if status, _ := get(browser(), path); status != 403 {
			t.Errorf("%s: %d", path, status)
		}
	}

	forged := browser()
	forged.Jar.SetCookies(u, []*http.Cookie{{Name: sessionCookie, Value: base64.RawURLEncoding.EncodeToString(make([]byte, 60)), Secure: true, Path: "/"}})
	forged.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if status, _ := get(forged, "/"); status != 303 {
		t.Errorf("a forged session: %d", status)
	}

	f.tx(func(tx pgx.Tx) error { return store.PutMember(t.Context(), tx, person, "one", store.NoRole) })
	if status, body := get(mario, "/"); strings.Contains(body, one.name) {
		t.Errorf("who left still sees: %d %s", status, body)
	}
}
