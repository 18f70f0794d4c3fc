package queue

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

// Calls are leased from the database by the handful, and given back by letting them lapse: what another worker hears of
// the account is heeded soon.
const (
	leasedCalls = 20
	leaseTime   = 2 * time.Second
	noLimit     = 1e6 // calls a second of an account whose limit is not known
)

// budgets are the accounts of a fleet, as one process sees them.
type budgets struct {
	db *store.DB

	mu sync.Mutex
	of map[zone.Account]*budget
}

// Of returns the budget of an account.
func (b *budgets) Of(a zone.Account) zone.Budget {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.of == nil {
		b.of = map[zone.Account]*budget{}
	}

	if b.of[a] == nil {
		b.of[a] = newBudget(b.db, a)
	}

	return b.of[a]
}

// budget is an account that all workers share: what the database has left of it, and what this process heard of it. It
// implements zone.Budget.
type budget struct {
	db      *store.DB
	account zone.Account
	stored  store.StoredAccount
	heard   *webapi.Budget // alone for what replies say

	mu     sync.Mutex
	calls  int       // leased
	lapses time.Time // the lease
	sites  map[int64]bool
	told   time.Time // until when the database knows that it is blocked
}

func newBudget(db *store.DB, a zone.Account) *budget {
	perSecond, burst := webapi.LimitsOf(a)
	if perSecond == rate.Inf {
		perSecond = noLimit
		burst = noLimit
	}

	return &budget{
		db:      db,
		account: a,
		heard:   webapi.NewBudget(a),
		sites:   map[int64]bool{},
		stored: store.StoredAccount{
			ID:        a.Provider + ":" + a.ID,
			Provider:  a.Provider,
			PerSecond: float64(perSecond),
			Burst:     float64(burst),
		},
	}
}

// siteKey is the context's key for the site that is worked on.
type siteKey struct{}

// Wait implements zone.Budget.
func (b *budget) Wait(ctx context.Context, calls int) error {
	calls = min(calls, int(b.stored.Burst))
	for {
		if b.take(calls) {
			return b.heard.Wait(ctx, calls) // what the last replies said of the pace
		}

		l, err := b.db.Lease(ctx, b.stored, max(calls, min(leasedCalls, int(b.stored.Burst/4))))
		if err != nil {
			return err
		}

		b.note(ctx)
		if l.Calls > 0 {
			b.add(l.Calls)
			continue
		}

		until := time.Now().Add(max(l.Wait, 10*time.Millisecond))
		if !l.Blocked.IsZero() {
			until = l.Blocked
		}
		if end, limited := ctx.Deadline(); limited && end.Before(until) {
			return zone.BudgetError{Account: b.account, Until: until, Blocked: !l.Blocked.IsZero()}
		}
		if err := zone.Sleep(ctx, time.Until(until)); err != nil {
			return err
		}
	}
}

func (b *budget) take(calls int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	if time.Now().After(b.lapses) || b.calls < calls {
		return false
	}

	b.calls -= calls
	return true
}

func (b *budget) add(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if time.Now().After(b.lapses) {
		b.calls = 0
	}

	b.calls += calls
	b.lapses = time.Now().Add(leaseTime)
}

// note notes once that the site of a context asks this account.
func (b *budget) note(ctx context.Context) {
	site, ok := ctx.Value(siteKey{}).(int64)
	b.mu.Lock()
	known := b.sites[site]
	b.sites[site] = true
	b.mu.Unlock()

	if ok && !known {
		b.db.UsesAccount(ctx, site, b.stored.ID) // where it fails the site waits at the account instead of in the queue
	}
}

// Heard implements zone.Budget. What one worker hears holds for all.
func (b *budget) Heard(h http.Header, status int) {
	b.heard.Heard(h, status)
	until := b.heard.BlockedUntil()
	left := time.Until(until)
	if left <= 0 {
		return
	}

	b.mu.Lock()
	b.calls = 0
	news := until.After(b.told)
	b.told = until
	b.mu.Unlock()

	if news {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		b.db.Block(ctx, b.stored.ID, left) // where it fails, the others hear a 429 themselves
	}
}
