package console

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/api"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/queue"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// Variables of the environment that name the fleet's server and refer to the token.
const (
	ServerVariable = "MAILPUB_FLEET"
	TokenVariable  = "MAILPUB_FLEET_TOKEN"
)

// ServeOptions say how the API is served.
type ServeOptions struct {
	Listen      string
	Certificate string // PEM files; "": no TLS
	Key         string
	Proxied     bool // a proxy in front speaks TLS
	SecretKey   string
	Allow       []string

	URL          string // of this server, as browsers reach it
	Issuer       string // of OpenID Connect; "": no login for browsers
	ClientID     string
	ClientSecret string // a reference
	SessionKey   string // a reference to base64 of 32 octets

	Version string
	Log     *slog.Logger
}

// Serve serves the API and the pages until ctx is done.
func Serve(ctx context.Context, db *store.DB, o ServeOptions, listening func(addr string)) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("--listen is %q, want HOST:PORT", o.Listen)
	}
	if ip := net.ParseIP(host); o.Certificate == "" && !o.Proxied && (ip == nil || !ip.IsLoopback()) {
		return errors.New("tokens would cross the network unencrypted: give --certificate and --certificate-key, or --behind-proxy where a proxy speaks TLS")
	}

	s, err := apiServer(ctx, db, o)
	if err != nil {
		return err
	}

	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	listening(l.Addr().String())

	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(end)
	})
	defer stop()

	if o.Certificate != "" {
		err = server.ServeTLS(l, o.Certificate, o.Key)
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}

	return err
}

func apiServer(ctx context.Context, db *store.DB, o ServeOptions) (*api.Server, error) {
	allow, err := prefixes(o.Allow)
	if err != nil {
		return nil, err
	}

	key, _, err := operatorKey(ctx, o.SecretKey)
	if err != nil {
		return nil, err
	}

	jobs, err := queue.NewClient(db)
	if err != nil {
		return nil, err
	}

	s := &api.Server{
		DB:      db,
		Queue:   jobs,
		Secrets: store.Secrets{DB: db, Key: key},
		Allow:   allow,
		Version: o.Version,
		Log:     o.Log,
	}
	if o.Issuer != "" {
		s.OIDC, err = newOIDC(ctx, o)
	}

	return s, err
}

func newOIDC(ctx context.Context, o ServeOptions) (*api.OIDC, error) {
	secret, err := resolved(ctx, "--oidc-secret", o.ClientSecret)
	if err != nil {
		return nil, err
	}
	text, err := resolved(ctx, "--session-key", o.SessionKey)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("--session-key is not base64 of 32 octets: openssl rand -base64 32")
	}

	return api.NewOIDC(ctx, api.OIDCOptions{
		Issuer:       o.Issuer,
		ClientID:     o.ClientID,
		ClientSecret: secret,
		URL:          o.URL,
		Key:          key,
	})
}

func resolved(ctx context.Context, flag, reference string) (string, error) {
	if !config.IsReference(reference) {
		return "", fmt.Errorf("%s is a secret: name it by a reference like file:PATH or env:NAME", flag)
	}
	return config.Resolve(ctx, reference, "")
}

// TokenOptions say whom a token is for.
type TokenOptions struct {
	Tenant, Role, Note string
	Days               int
}

// AddToken makes a person and a token, for the operator at the database itself: the way to the first one.
func AddToken(ctx context.Context, u *term.UI, db *store.DB, name string, o TokenOptions) error {
	role, err := store.ParseRole(o.Role)
	if err != nil {
		return fmt.Errorf("--role: %w", err)
	}

	t := store.Token{Tenant: o.Tenant, Role: role, Note: o.Note}
	if o.Days > 0 {
		end := time.Now().AddDate(0, 0, o.Days)
		t.Expires = &end
	}

	var text string
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.AddTenant(ctx, tx, o.Tenant); err != nil {
			return err
		}
		t.Person, err = store.PutPerson(ctx, tx, store.Person{Subject: o.Tenant + ":" + name, Name: name})
		if err != nil {
			return err
		}
		if err := store.PutMember(ctx, tx, t.Person, o.Tenant, role); err != nil {
			return err
		}
		if text, err = store.NewToken(ctx, tx, &t); err != nil {
			return err
		}
		return operatorAudit(ctx, tx, o.Tenant, "token.add", map[string]string{"token": t.ID, "name": name, "role": o.Role})
	})
	if err != nil {
		return err
	}

	if u.JSON {
		return u.PrintJSON(map[string]any{"id": t.ID, "person": t.Person, "tenant": o.Tenant, "role": o.Role, "token": text})
	}
	fmt.Fprintln(u.Err, "The token is shown this once:")
	fmt.Fprintln(u.Out, text)
	return nil
}

func operatorAudit(ctx context.Context, tx pgx.Tx, tenant, act string, detail map[string]string) error {
	return store.Audit(ctx, tx, store.AuditEntry{
		By:     store.Actor{Name: "operator", Means: "command line"},
		Tenant: tenant,
		Act:    act,
		Detail: detail,
	})
}

// SetSecret stores a secret of a tenant that is read from in, for the operator at the database itself.
func SetSecret(ctx context.Context, u *term.UI, db *store.DB, tenant, name, key string, in io.Reader) error {
	k, has, err := operatorKey(ctx, key)
	if err != nil {
		return err
	}
	if !has {
		return store.ErrNoKey
	}

	value, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
	if text == "" {
		return errors.New("the secret is empty: it is read from standard input")
	}

	return db.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.AddTenant(ctx, tx, tenant); err != nil {
			return err
		}
		version, err := store.Secrets{DB: db, Key: k}.Put(ctx, tx, tenant, name, []byte(text))
		if err != nil {
			return err
		}
		fmt.Fprintf(u.Text(), "Secret %s has version %d.\n", name, version)
		return operatorAudit(ctx, tx, tenant, "secret.set", map[string]string{"name": name, "version": fmt.Sprint(version)})
	})
}

// APIClient returns a client of the fleet's API, as flags or the environment say.
func APIClient(ctx context.Context, server, token string) (*api.Client, error) {
	server = cmp.Or(server, os.Getenv(ServerVariable))
	if server == "" {
		return nil, errors.New("no fleet: name its server by --server or " + ServerVariable)
	}

	if token == "" {
		if text := os.Getenv(TokenVariable); text != "" && !config.IsReference(text) {
			return &api.Client{URL: server, Token: text}, nil
		}
		token = cmp.Or(os.Getenv(TokenVariable), "env:"+TokenVariable)
	}

	text, err := resolved(ctx, "--token", token)
	return &api.Client{URL: server, Token: text}, err
}
