package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Serve serves read-only pages to clients that ask for the listener's address or one of names, until
// ctx is done.
func Serve(ctx context.Context, l net.Listener, h http.Handler, names ...string) error {
	server := &http.Server{
		Handler:        RejectForeignOrigins(h, names...),
		MaxHeaderBytes: 8 << 10,
		ReadTimeout:    5 * time.Second,
		WriteTimeout:   time.Minute, // on a machine with much to do
		IdleTimeout:    2 * time.Minute,
		ErrorLog:       log.New(io.Discard, "", 0), // what clients send is not worth a line
	}

	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()

	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("page at %s: %w", l.Addr(), err)
	}

	return nil
}

// RejectForeignOrigins refuses what a browser asks for under a name of somebody else's (DNS rebinding), and
// what a page from elsewhere asks for. Addresses, localhost and the given names are of here.
func RejectForeignOrigins(h http.Handler, names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isAllowedHost(r.Host, names):
			http.Error(w, "not a host of this server", http.StatusMisdirectedRequest)
		case isCrossOrigin(r):
			http.Error(w, "request from another origin refused", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func isAllowedHost(host string, names []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}

	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}

	return slices.ContainsFunc(names, func(n string) bool {
		return strings.EqualFold(n, host)
	})
}

// isCrossOrigin reports whether a script or an element of another origin's page asks. To follow
// a link from there is no harm.
func isCrossOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Host != r.Host
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") &&
		r.Header.Get("Sec-Fetch-Mode") != "navigate"
}
