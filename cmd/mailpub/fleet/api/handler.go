package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// maxBody bounds what a client may send, in octets.
const maxBody = 1 << 20

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
