package page

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// OnlyHere refuses what a browser asks for under a name of somebody else's (DNS rebinding), and
// what a page from elsewhere asks for. Addresses, localhost and the given names are of here.
func OnlyHere(h http.Handler, names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isHere(r.Host, names):
			http.Error(w, "not a host of this server", http.StatusMisdirectedRequest)
		case fromElsewhere(r):
			http.Error(w, "not for pages from elsewhere", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func isHere(host string, names []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) })
}

// fromElsewhere reports whether a script or an element of another origin's page asks. To follow
// a link from there is no harm.
func fromElsewhere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Host != r.Host
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}
