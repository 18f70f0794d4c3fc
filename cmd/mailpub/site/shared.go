package site

import (
	"context"
	"sync"

	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

// Shared is what the sites of one process have in common: connections, and what name servers, mail hosts
// and accounts at DNS providers bear. Methods may be called concurrently.
type Shared struct {
	// Budgets returns the budget of an account at a DNS provider. Nil: one of this process.
	Budgets func(zone.Account) zone.Budget

	zones     zone.Shared
	questions resolver.QuestionPool
	accounts  webapi.Budgets

	mu    sync.Mutex
	hosts map[string]*mailHost
}

// perMailHost is how many sites with the same mail host are looked at at a time. Postfix takes 50
// connections from one client (smtpd_client_connection_count_limit), and a look has up to six.
const perMailHost = 8

// mailHost is one that sites have in common.
type mailHost struct {
	slots chan struct{}
	users int // that wait or look; guarded by Shared.mu
}

// CloseIdle closes the connections that are not in use. What was learnt of servers and accounts stays.
func (s *Shared) CloseIdle() { s.zones.Close() }

func (s *Shared) budgets() func(zone.Account) zone.Budget {
	switch {
	case s == nil:
		return nil
	case s.Budgets != nil:
		return s.Budgets
	}
	return s.accounts.Of
}

// pool is what zones share; without Shared those of one opened site.
func (s *Shared) pool() *zone.Shared {
	if s == nil {
		return &zone.Shared{}
	}
	return &s.zones
}

// useMailHost waits until one more site may be looked at whose mail host is at an address; release ends
// that. It fails with ctx's error.
func (s *Shared) useMailHost(ctx context.Context, addr string) (release func(), err error) {
	if s == nil {
		return func() {}, nil
	}

	s.mu.Lock()
	h := s.hosts[addr]
	if h == nil {
		h = &mailHost{slots: make(chan struct{}, perMailHost)}
		if s.hosts == nil {
			s.hosts = map[string]*mailHost{}
		}
		s.hosts[addr] = h
	}

	h.users++
	s.mu.Unlock()

	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()

		h.users--
		if h.users == 0 {
			delete(s.hosts, addr)
		}
	}

	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
