package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// login returns who asks: by a token, or by the session of a browser.
func (s *Server) login(r *http.Request) (store.Principal, error) {
	if kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		if !strings.EqualFold(kind, "Bearer") {
			return store.Principal{}, errNoLogin
		}
		return s.DB.Login(r.Context(), strings.TrimSpace(token))
	}

	if s.OIDC == nil {
		return store.Principal{}, errNoLogin
	}

	p, err := s.OIDC.session(r, s.DB)
	if err != nil {
		return store.Principal{}, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && isForeign(r) {
		return store.Principal{}, errCrossOrigin
	}

	return p, nil
}

// isForeign reports whether a request that a browser makes with its cookie comes from another site's page.
// A browser says so; one that says nothing is refused.
func isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return false
	case "":
	default:
		return true
	}

	u, err := url.Parse(r.Header.Get("Origin"))
	return err != nil || u.Host == "" || u.Host != r.Host
}
