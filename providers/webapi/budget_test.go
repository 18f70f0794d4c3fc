package webapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/providers/zone"
)

// account is one that allows 4 calls a second, of which 3 are for mailpub.
func account(id string) zone.Account {
	return zone.Account{
		Provider: "cloudflare",
		ID:       id,
		Rate:     zone.Rate{Calls: 1200, Per: 5 * time.Minute},
	}
}

// All zones of an account wait for the same budget, and a quarter of it is never used.
func TestBudgetIsOfTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budgets := &Budgets{}
		start := time.Now()
		var all sync.WaitGroup

		for range 1000 {
			one := budgets.Of(account("a")) // a zone
			all.Go(func() {
				for range 2 {
					if err := one.Wait(t.Context(), 1); err != nil {
						t.Error(err)
					}
				}
			})
		}

		all.Wait()
		took := time.Since(start)
		if most := 900 * took.Minutes() / 5; 2000 > most+100 {
			t.Errorf("2000 calls within %v: %.0f are allowed", took, most)
		}

		if took > 12*time.Minute {
			t.Errorf("2000 calls took %v", took)
		}

		before := time.Now()
		if err := budgets.Of(account("b")).Wait(t.Context(), 1); err != nil ||
			time.Since(before) > 0 {
			t.Errorf("another account waited %v, %v", time.Since(before), err)
		}
	})
}

// replies is a provider that answers each call with the next of some replies, and with the last ones again.
type replies struct {
	mu    sync.Mutex
	list  []*http.Response
	calls []time.Time
}

func (r *replies) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	one := *r.list[min(len(r.calls), len(r.list)-1)]
	one.Body = io.NopCloser(strings.NewReader("{}"))
	r.calls = append(r.calls, time.Now())
	return &one, nil
}

func reply(status int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h}
}

// clientOf is the client of one zone of an account.
func clientOf(r *replies, b zone.Budget) *Client {
	return &Client{
		api:    "cloudflare",
		HTTP:   &http.Client{Transport: r},
		log:    slog.New(slog.DiscardHandler),
		budget: b,
	}
}

func call(ctx context.Context, c *Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example/zones",
		nil)

	if err != nil {
		return err
	}

	resp, err := c.Do(req)
	if err == nil {
		resp.Body.Close()
	}

	return err
}

// A 429 that one zone gets stops all zones of the account, and none of another account.
func TestBudgetStopsTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budgets := &Budgets{}
		provider := &replies{list: []*http.Response{reply(429, "Retry-After", "60"),
			reply(200)}}

		start := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				time.Sleep(time.Millisecond)
				if err := call(t.Context(), clientOf(provider,
					budgets.Of(account("a")))); err != nil {
					t.Error(err)
				}
			})
		}

		first := clientOf(provider, budgets.Of(account("a")))
		if err := call(t.Context(), first); err != nil {
			t.Fatal(err)
		}

		all.Wait()
		for i, at := range provider.calls[1:] {
			if at.Sub(start) < time.Minute {
				t.Errorf("call %d came %v after the provider asked to wait 60 s", i+1,
					at.Sub(start))
			}
		}

		other := &replies{list: []*http.Response{reply(429), reply(200)}}
		if err := call(t.Context(), clientOf(other, budgets.Of(account("b")))); err != nil {
			t.Fatal(err)
		}

		if took := other.calls[1].Sub(other.calls[0]); took < firstBlock {
			t.Errorf("after a 429 without a time the next call came after %v", took)
		}
	})
}

// Who can't wait that long is told so at once, and nothing is sent.
func TestBudgetSaysHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(account("a"))
		b.Heard(reply(429, "Retry-After", "300").Header, 429)
		provider := &replies{list: []*http.Response{reply(200)}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		start := time.Now()
		err := call(ctx, clientOf(provider, b))
		refused := zone.BudgetError{}
		if !errors.As(err, &refused) || !refused.Blocked || time.Since(start) > 0 ||
			!strings.Contains(err.Error(), "5m0s") {
			t.Errorf("%v after %v", err, time.Since(start))
		}

		if len(provider.calls) > 0 {
			t.Error("a call was sent")
		}

		stopped, stop := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); stop() }()
		if err := b.Wait(stopped, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// From half of what is left on, calls are spread over the time until more is allowed; the last quarter is
// left alone.
func TestBudgetHearsHeaders(t *testing.T) {
	for name, headers := range map[string][2][]string{
		"draft": {
			{"RateLimit-Limit", "100", "RateLimit-Remaining", "45", "RateLimit-Reset", "40"},
			{"RateLimit-Limit", "100", "RateLimit-Remaining", "25", "RateLimit-Reset", "30"},
		},
		"X": {
			{"X-RateLimit-Limit", "100, 100;w=60", "X-RateLimit-Remaining", "45", "X-RateLimit-Reset", "946684840"},
			{"X-RateLimit-Limit", "100, 100;w=60", "X-RateLimit-Remaining", "25", "X-RateLimit-Reset", "30"},
		},
		"one field": {
			{"Ratelimit", `"burst";r=9;t=1, "user";r=7;t=2`, "Ratelimit-Policy", `"user";q=9;w=9, "burst";q=9;w=60`},
			{"Ratelimit", `"default";r=25;t=30`, "Ratelimit-Policy", `"default";q=100;w=60`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget(zone.Account{Provider: "hetzner"})
				drain := func(calls int) time.Duration {
					start := time.Now()
					for range calls {
						if err := b.Wait(t.Context(), 1); err != nil {
							t.Fatal(err)
						}
					}
					return time.Since(start)
				}

				if took := drain(500); took > 0 {
					t.Errorf("nothing is known of the account, and 500 calls took %v", took)
				}

				b.Heard(reply(200, headers[0]...).Header, 200)
				if q, _ := quotaOf(reply(200, headers[0]...).Header,
					time.Now()); q.remaining == 45 {
					took := drain(b.burst + 10)
					if took < 15*time.Second || took > 25*time.Second { // 20 calls in 40 s
						t.Errorf("10 calls took %v", took)
					}
				}

				b.Heard(reply(200, headers[1]...).Header, 200)
				if took := drain(1); took < 29*time.Second {
					t.Errorf("people's share was used after %v", took)
				}

				time.Sleep(2 * time.Minute)
				if took := drain(100); took > 0 {
					t.Errorf("the window is over, and 100 calls took %v", took)
				}
			})
		})
	}
}

// What is no number, or not of a rate limit, changes nothing.
func TestBudgetIgnoresNonsense(t *testing.T) {
	for _, header := range [][]string{
		{"RateLimit-Limit", "many", "RateLimit-Remaining", "0"},
		{"RateLimit-Limit", "0", "RateLimit-Remaining", "0", "RateLimit-Reset", "-9"},
		{"Ratelimit", `r`, "Ratelimit-Policy", "q"},
		{"X-RateLimit-Remaining", "0"},
		{"Ratelimit", `"a";r=0;t=99999999999999999999`, "Ratelimit-Policy", `"a";q=5`},
	} {
		b := NewBudget(zone.Account{Provider: "hetzner"})
		b.Heard(reply(200, header...).Header, 200)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := b.Wait(ctx, 1); err != nil {
			t.Errorf("%q: %v", header, err)
		}
		cancel()
	}
}
