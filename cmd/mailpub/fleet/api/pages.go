package api

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

//go:embed overview.html.tmpl
var overviewText string

var overviewTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("overview").Funcs(template.FuncMap{
		"moment": func(t *time.Time) string {
			if t == nil {
				return "never"
			}
			return t.UTC().Format("2 Jan 15:04")
		},
	}).Parse(overviewText))
})

// overview is what the overview shows.
type overview struct {
	Who     string
	Tenant  string
	Search  string
	State   string
	Tenants []store.Tenant
	List    SiteList
	States  []string
	Former  *int // offset of the page before
	Version string
}

// pages adds what browsers see: the overview, the page of each site, and the login.
func (s *Server) pages(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.browser(overviewPage))
	mux.Handle("GET /site/{id}", s.browser(sitePage))
	if s.OIDC == nil {
		return
	}

	mux.HandleFunc("GET /login", s.OIDC.begin)
	mux.HandleFunc("GET /login/back", s.loginBack)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if isForeign(r) {
			s.fail(w, r, errCrossOrigin)
			return
		}
		clearCookie(w, sessionCookie)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

func (s *Server) loginBack(w http.ResponseWriter, r *http.Request) {
	subject, err := s.OIDC.back(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}

	if _, err := s.DB.LoginPerson(r.Context(), s.OIDC.issuer, subject); err != nil {
		clearCookie(w, sessionCookie)
		if !errors.Is(err, store.ErrLogin) {
			s.fail(w, r, err)
			return
		}

		http.Error(w, "You are logged in as "+subject+
			", and have no role yet: ask an administrator of your tenant.",
			http.StatusForbidden)

		return
	}

	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// browser serves a page to whoever is logged in, and sends others to the login.
func (s *Server) browser(draw func(*call) ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.login(r)
		if s.OIDC != nil && (errors.Is(err, errNoLogin) || errors.Is(err, store.ErrLogin)) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}

		if err != nil {
			s.fail(w, r, err)
			return
		}

		var body []byte
		err = s.DB.As(r.Context(), who, func(tx pgx.Tx) error {
			c := &call{
				Server: s,
				r:      r,
				tx:     tx,
				who:    who,
				need:   store.RoleView,
			}

			body, err = draw(c)
			return err
		})

		if err != nil {
			s.fail(w, r, err)
			return
		}

		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(body)
	})
}

func sitePage(c *call) ([]byte, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}
	return c.page(s)
}

func overviewPage(c *call) ([]byte, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}

	list, err := c.find(f)
	if err != nil {
		return nil, err
	}

	tenants, err := store.Tenants(c.r.Context(), c.tx)
	if err != nil {
		return nil, err
	}

	o := overview{
		Who:     c.who.Name,
		Tenant:  f.Tenant,
		Search:  f.Search,
		State:   c.r.URL.Query().Get("state"),
		Tenants: tenants,
		List:    list,
		States:  []string{"bad", "warning", "unknown", "good"},
		Version: c.Version,
	}

	if f.Offset > 0 {
		former := max(f.Offset-f.Limit, 0)
		o.Former = &former
	}

	var body bytes.Buffer
	err = overviewTemplate().Execute(&body, o)
	return body.Bytes(), err
}
