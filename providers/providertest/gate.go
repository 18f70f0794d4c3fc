package providertest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Gate is an HTTP server on loopback that stands before a provider's web interface, real
// or stand-in, and can answer in its place.
type Gate struct {
	// ReadOnly says of a request that is no GET that it only reads; nil: none does.
	ReadOnly func(*http.Request) bool

	server  *httptest.Server
	handler http.Handler

	mu        sync.Mutex
	intercept func(w http.ResponseWriter, r *http.Request) bool
	requests  []string
}

// NewGate starts a gate before h. It ends with the test.
func NewGate(t *testing.T, h http.Handler) *Gate {
	g := &Gate{handler: h}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note := r.Method + " " + r.URL.Path
		if g.Writes(r) {
			note = "write: " + note
		}

		g.mu.Lock()
		g.requests = append(g.requests, note)
		intercept := g.intercept
		g.mu.Unlock()

		if intercept == nil || !intercept(w, r) {
			h.ServeHTTP(w, r)
		}
	}))

	t.Cleanup(g.server.Close)
	return g
}

// Before returns a handler that hands requests on to a server, by a transport; nil is
// the usual one.
func Before(server string, transport http.RoundTripper) http.Handler {
	to, err := url.Parse(server)
	if err != nil {
		panic(err) // a test's own address
	}

	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
	}
}

// Intercept sets what is asked before each request; it returns true when it has answered. It
// may be called concurrently. Nil lets everything through.
func (g *Gate) Intercept(f func(w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.intercept = f
}

// Requests returns the requests so far, as method and path, and forgets them. Those that may
// change something begin with "write: ".
func (g *Gate) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.requests
	g.requests = nil
	return out
}

// Client returns a client whose requests reach the gate, whatever host they name.
func (g *Gate) Client() *http.Client {
	to, _ := url.Parse(g.server.URL)
	return &http.Client{Transport: redirect{to, g.server.Client().Transport}}
}

type redirect struct {
	to   *url.URL
	next http.RoundTripper
}

func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = d.to.Scheme
	r.URL.Host = d.to.Host
	r.Host = d.to.Host
	return d.next.RoundTrip(r)
}

// BeforeNth calls f once, before the nth request from now of a kind is let through.
func (g *Gate) BeforeNth(n int, is func(*http.Request) bool, f func()) {
	var mu sync.Mutex
	g.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()

		if is(r) {
			if n--; n == 0 {
				f()
			}
		}

		return false
	})
}

// Reads reports whether a request changes nothing.
func (g *Gate) Reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead ||
		g.ReadOnly != nil && g.ReadOnly(r)
}

// Writes reports whether a request may change something.
func (g *Gate) Writes(r *http.Request) bool { return !g.Reads(r) }
