// Package api serves a fleet to people and programs: a JSON API under /api/v1 with an OpenAPI document, and
// pages for browsers. Everything it reads and writes goes through the database's row-level security as the
// one who asks; what belongs to a tenant of others does not exist here (404).
//
// It knows no workers: it leaves jobs in the queue. A client of the same API is in the package.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// Queue puts jobs beside what they are about, in the same transaction.
type Queue interface {
	Plan(ctx context.Context, tx pgx.Tx, plan int64) error
	Apply(ctx context.Context, tx pgx.Tx, plan int64) error
}

// Server serves the API and the pages.
type Server struct {
	DB      *store.DB
	Queue   Queue
	Secrets store.Secrets
	Allow   []netip.Prefix // ranges that sites of tenants may connect to although they are not public
	OIDC    *OIDC          // how browsers log in; nil: by a token
	Version string
	Log     *slog.Logger
}

// maxBody bounds what a client may send, in octets.
const maxBody = 1 << 20

// call is one request while it is served.
type call struct {
	*Server
	r    *http.Request
	tx   pgx.Tx
	who  store.Principal
	need store.Role // of the route
}

// Errors with a status of their own.
var (
	errForbidden   = errors.New("your role does not allow this")
	errNoLogin     = errors.New("a token is needed: Authorization: Bearer TOKEN")
	errNoMatch     = errors.New("If-Match is missing, want the version that you read, or * for whatever is there")
	errCrossOrigin = errors.New("the request comes from another site's page")
)

// at fails where the caller has no role at a tenant (as if there were none), or one that is too low.
func (c *call) at(tenant string) error {
	switch role := c.who.RoleAt(tenant); {
	case role == store.NoRole:
		return store.ErrNotFound
	case role < c.need:
		return errForbidden
	}
	return nil
}

// Handler serves everything.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.method+" "+prefix+r.path, s.serve(r))
	}

	mux.HandleFunc("GET "+prefix+"/openapi.json", s.openAPI)
	mux.HandleFunc(prefix+"/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, store.ErrNotFound)
	})

	mux.HandleFunc("GET /healthz", s.health)
	s.pages(mux)

	return withHeaders(mux)
}

// serve authenticates, runs a route in a transaction of the caller's, and writes what it returns.
func (s *Server) serve(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), 30*time.Second)
		defer cancel()

		req = req.WithContext(ctx)
		req.Body = http.MaxBytesReader(w, req.Body, maxBody)
		who, err := s.login(req)
		if err != nil {
			s.fail(w, req, err)
			return
		}

		var out any
		err = s.DB.As(ctx, who, func(tx pgx.Tx) error {
			c := &call{
				Server: s,
				r:      req,
				tx:     tx,
				who:    who,
				need:   r.role,
			}

			out, err = r.run(c)
			return err
		})

		if err != nil {
			s.fail(w, req, err)
			return
		}

		s.answer(w, r.status(), out)
	})
}

// health says whether the database answers.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()

	if _, err := s.DB.Now(ctx); err != nil {
		s.fail(w, r, err)
		return
	}

	s.answer(w, http.StatusOK, map[string]string{"status": "well"})
}

// withHeaders sets what a browser must know: nothing from elsewhere, in no frame, kept nowhere.
func withHeaders(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
		} {
			w.Header().Set(name, value)
		}

		h.ServeHTTP(w, r)
	})
}
