package page

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// WithToken serves only who gives a token: as a bearer token (RFC 6750 section 2.1), or as the password of
// Basic authentication (RFC 7617), which browsers ask their user for. The user's name does not count.
func WithToken(h http.Handler, token string) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			_, given, _ = r.BasicAuth()
		}

		got := sha256.Sum256([]byte(given))
		if given == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="mailpub", charset="UTF-8"`)
			http.Error(w, "a token is required", http.StatusUnauthorized)
			return
		}

		h.ServeHTTP(w, r)
	})
}

// IsLoopback reports whether only this machine reaches an address to listen at. A host name other than
// localhost may be anything.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}

	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
