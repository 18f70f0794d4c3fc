package egress

import (
	"fmt"
	"net/http"
	"sync"
)

// maxTransports bounds how many sets of rules have connections of their own at a time: an operator has a few.
const maxTransports = 64

// Transport is an http.RoundTripper that keeps to the rules of each request's context. It keeps
// connections for the next request, but never hands one to a request with other rules. A request with
// rules uses no proxy: a proxy would connect in its place. The zero value is ready; safe for concurrent use.
type Transport struct {
	mu      sync.Mutex
	byRules map[string]*http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.of(rulesOf(req.Context())).RoundTrip(req)
}

// CloseIdleConnections closes the connections that wait for a request.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, own := range t.byRules {
		own.CloseIdleConnections()
	}
}

func (t *Transport) of(p *Rules) *http.Transport {
	key := ""
	if p != nil {
		key = fmt.Sprint("limited ", p.Allow)
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	if own, ok := t.byRules[key]; ok {
		return own
	}

	for old, own := range t.byRules {
		if len(t.byRules) < maxTransports {
			break
		}
		own.CloseIdleConnections()
		delete(t.byRules, old)
	}

	own := http.DefaultTransport.(*http.Transport).Clone()
	own.DialContext = Dialer().DialContext
	if p != nil {
		own.Proxy = nil
	}

	if t.byRules == nil {
		t.byRules = map[string]*http.Transport{}
	}

	t.byRules[key] = own

	return own
}

// shared carries the requests of a process that need no transport of their own.
var shared Transport

// HTTP returns the process's transport: http.DefaultTransport with Control.
func HTTP() http.RoundTripper { return &shared }
