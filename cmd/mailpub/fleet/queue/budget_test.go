//go:build linux

package queue

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/providers/zone"
)

// workersOf are the budgets of five workers with the same fleet.
func workersOf(t *testing.T) (all []*budgets) {
	t.Helper()
	url := pgtest.Database(t)
	for i := range 5 {
		db, err := store.Connect(context.Background(), url, "a test")
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(db.Close)
		if i == 0 {
			if _, err := db.Migrate(context.Background()); err != nil {
				t.Fatal(err)
			}
		}

		all = append(all, &budgets{db: db})
	}
	return all
}

// Five workers ask one account as fast as they may. Together they stay within its limit, less people's quarter.
func TestWorkersShareAnAccount(t *testing.T) {
	t.Parallel()
	account := zone.Account{Provider: "cloudflare", ID: "one", Rate: zone.Rate{Calls: 400, Per: 10 * time.Second}} // 30 a second are ours
	const span = 3 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()

	begin := time.Now()
	var calls atomic.Int64
	var all sync.WaitGroup
	for _, w := range workersOf(t) {
		all.Go(func() {
			b := w.Of(account)
			for b.Wait(ctx, 1) == nil {
				calls.Add(1)
			}
		})
	}

	all.Wait()
	took := time.Since(begin).Seconds()
	most := 30 + 30*took // what may come at once, and then by the second
	if n := float64(calls.Load()); n > most || n < 30 {
		t.Errorf("%.0f calls in %.1f s, want at most %.0f and not next to none", n, took, most)
	}
}

// What one worker hears of an account holds for all; another account goes on.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	workers := workersOf(t)
	account := zone.Account{Provider: "cloudflare", ID: "one"}
	other := zone.Account{Provider: "cloudflare", ID: "two"}
	for _, w := range workers {
		if err := w.Of(account).Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}

	workers[0].Of(account).Heard(http.Header{"Retry-After": {"300"}}, http.StatusTooManyRequests)
	time.Sleep(leaseTime + 100*time.Millisecond) // what was leased before lapses
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	for i, w := range workers {
		var limited zone.BudgetError
		err := w.Of(account).Wait(ctx, 1)
		if !errors.As(err, &limited) || !limited.Blocked || time.Until(limited.Until) < 4*time.Minute {
			t.Errorf("worker %d: %v", i, err)
		}
		if err := w.Of(other).Wait(ctx, 1); err != nil {
			t.Errorf("worker %d, another account: %v", i, err)
		}
	}
}
