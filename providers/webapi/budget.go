package webapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/providers/zone"
)

// Budgets are the budgets of one process, one for each account. The zero value is ready; methods may be
// called concurrently.
type Budgets struct {
	mu sync.Mutex
	of map[zone.Account]*Budget
}

// Of returns the budget of an account.
func (b *Budgets) Of(a zone.Account) zone.Budget {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.of == nil {
		b.of = map[zone.Account]*Budget{}
	}

	if b.of[a] == nil {
		b.of[a] = NewBudget(a)
	}

	return b.of[a]
}

// Budget keeps the calls of one account within what the provider allows: as it documents, and as its
// replies tell. A quarter is left for people, who use the same account. It implements zone.Budget.
type Budget struct {
	account zone.Account
	limiter *rate.Limiter
	usual   rate.Limit // as documented, less people's share
	burst   int

	mu      sync.Mutex
	blocked time.Time // no call before it; the provider said so
	slowed  time.Time // until then calls are slower than usual, as little is left
}

// peoplesShare is the part of the calls that is left for people.
const peoplesShare = 4

// NewBudget returns the budget of an account of which nothing is heard yet.
func NewBudget(a zone.Account) *Budget {
	b := &Budget{account: a}
	b.usual, b.burst = LimitsOf(a)
	b.limiter = rate.NewLimiter(b.usual, b.burst)
	return b
}

// LimitsOf are how many calls a second mailpub makes with an account, and how many at once, less people's share. The
// rate is rate.Inf where the provider documents none.
func LimitsOf(a zone.Account) (perSecond rate.Limit, burst int) {
	if a.Rate.Calls <= 0 || a.Rate.Per <= 0 {
		return rate.Inf, 20
	}

	most := max(a.Rate.Calls-a.Rate.Calls/peoplesShare, 1)
	return rate.Limit(float64(most) / a.Rate.Per.Seconds()), min(max(most/10, 1), 100) // what comes at once counts too
}

// BlockedUntil is when the provider takes calls again; in the past where it does.
func (b *Budget) BlockedUntil() time.Time { return b.blockedUntil() }

// Wait implements zone.Budget.
func (b *Budget) Wait(ctx context.Context, calls int) error {
	for {
		if err := b.waitUnblocked(ctx); err != nil {
			return err
		}

		r := b.limiter.ReserveN(time.Now(), min(calls, b.burst))
		delay := r.Delay()
		if end, limited := ctx.Deadline(); limited && time.Until(end) < delay {
			r.Cancel()
			return zone.BudgetError{Account: b.account, Until: time.Now().Add(delay)}
		}

		if err := zone.Sleep(ctx, delay); err != nil {
			r.Cancel()
			return err
		}

		if !b.isBlocked() { // another call may have heard a 429 meanwhile
			return nil
		}
	}
}

func (b *Budget) isBlocked() bool { return time.Now().Before(b.blockedUntil()) }

func (b *Budget) blockedUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()

	if !b.slowed.IsZero() && time.Now().After(b.slowed) {
		b.slowed = time.Time{}
		b.limiter.SetLimit(b.usual)
	}

	return b.blocked
}

// waitUnblocked waits until the provider takes calls again.
func (b *Budget) waitUnblocked(ctx context.Context) error {
	for {
		until := b.blockedUntil()
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if end, limited := ctx.Deadline(); limited && end.Before(until) {
			return zone.BudgetError{Account: b.account, Until: until, Blocked: true}
		}
		if err := zone.Sleep(ctx, left); err != nil {
			return err
		}
	}
}

// Heard implements zone.Budget.
func (b *Budget) Heard(h http.Header, status int) {
	left, known := quotaOf(h, time.Now())
	b.mu.Lock()
	defer b.mu.Unlock()

	now := time.Now()
	if status == http.StatusTooManyRequests {
		after, told := retryAfterHeader(h)
		switch {
		case told:
		case known && left.reset > 0:
			after = left.reset
		default:
			after = firstBlock
		}

		if until := now.Add(min(after, longestBlock)); until.After(b.blocked) {
			b.blocked = until
		}

		return
	}

	if known {
		b.slow(now, left)
	}
}

const (
	firstBlock   = 5 * time.Second // of a 429 that does not say for how long
	longestBlock = 24 * time.Hour
)

// slow spreads what is left over the time that it is for, as soon as half of it is used. b.mu is held.
func (b *Budget) slow(now time.Time, q quota) {
	if q.limit <= 0 || q.reset <= 0 || q.reset > longestBlock || q.remaining > q.limit/2 {
		return
	}

	ours := q.remaining - q.limit/peoplesShare
	if ours <= 0 {
		if until := now.Add(min(q.reset, longestBlock)); until.After(b.blocked) {
			b.blocked = until
		}
		return
	}

	b.slowed = now.Add(q.reset)
	b.limiter.SetLimit(min(b.usual, rate.Limit(float64(ours)/q.reset.Seconds())))
}

// quota is what a reply tells of the account's calls.
type quota struct {
	limit, remaining int
	reset            time.Duration // until remaining is limit again
}

// quotaOf reads the headers that providers send: RateLimit-Limit, -Remaining and -Reset, the same with
// X- before them, and RateLimit with r and t beside RateLimit-Policy with q and w
// (draft-ietf-httpapi-ratelimit-headers).
func quotaOf(h http.Header, now time.Time) (q quota, known bool) {
	for _, prefix := range []string{"Ratelimit-", "X-Ratelimit-"} {
		limit, err1 := firstInt(h.Get(prefix + "Limit"))
		remaining, err2 := firstInt(h.Get(prefix + "Remaining"))
		if err1 == nil && err2 == nil {
			reset, _ := firstInt(h.Get(prefix + "Reset"))
			return quota{limit, remaining, resetIn(reset, now)}, true
		}
	}

	name, _, _ := strings.Cut(h.Get("Ratelimit"), ";")
	state := parameters(h.Get("Ratelimit"), name)
	policy := parameters(h.Get("Ratelimit-Policy"), name)
	remaining, has := state["r"]
	limit, hasLimit := policy["q"]

	if !has || !hasLimit {
		return quota{}, false
	}

	return quota{limit, remaining, time.Duration(state["t"]) * time.Second}, true
}

// resetIn is the time until a reset, which some providers give in seconds and others as a Unix time.
func resetIn(n int, now time.Time) time.Duration {
	const longAgo = 100_000_000 // 1973, as a Unix time; no window is that many seconds
	if n > longAgo {
		return max(time.Unix(int64(n), 0).Sub(now), 0)
	}
	return time.Duration(n) * time.Second
}

// firstInt is the number that a header's value begins with: of "100, 100;w=60" 100.
func firstInt(s string) (int, error) {
	s = strings.TrimSpace(s)
	if end := strings.IndexAny(s, ",; ."); end >= 0 {
		s = s[:end]
	}
	return strconv.Atoi(s)
}

var parameter = lazy.Regexp(`\b([a-z])\s*=\s*(\d+)`)

// parameters are the numbers in a header like `"default";r=50;t=30, "burst";r=9;t=1`, of the item with a name.
func parameters(value, name string) map[string]int {
	found := map[string]int{}
	for item := range strings.SplitSeq(value, ",") {
		own, _, _ := strings.Cut(item, ";")
		if strings.TrimSpace(own) != strings.TrimSpace(name) {
			continue
		}

		for _, m := range parameter().FindAllStringSubmatch(item, -1) {
			if n, err := strconv.Atoi(m[2]); err == nil {
				found[m[1]] = n
			}
		}
	}

	return found
}
