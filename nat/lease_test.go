package nat

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
)

// leases is a router with a clock, which tells of its leases in its own way.
type leases struct {
	*testing.T
	d     *igd.Device
	now   time.Time
	grant plan.Grant
	adds  int
}

var leaseKey = plan.Key{Kind: forward.Kind, Name: "tcp/25"}

// newLeases starts one. tells makes of what is really left, in seconds, what it tells; extends
// says whether adding again extends a lease.
func newLeases(t *testing.T, tells func(left int) int, extends bool) *leases {
	l := &leases{T: t, now: time.Now()}
	l.d = device1(t, igd.Config{Version: 1, Now: func() time.Time { return l.now }})
	l.d.Inject(func(c igd.Call) igd.Fault {
		there := l.d.Mappings()
		switch {
		case c.Action == "AddPortMapping":
			l.adds++
			if !extends && len(there) == 1 {
				return igd.Fault{Body: lie}
			}
		case c.Action == "GetSpecificPortMappingEntry" && len(there) == 1 && tells != nil:
			left := 0
			if m := there[0]; !m.Expires.IsZero() {
				left = int(m.Expires.Sub(l.now).Seconds())
			}

			return igd.Fault{Body: strings.ReplaceAll(soapAnswerOf(c.Action,
				"NewInternalClient", "127.0.0.1"), "</NewInternalClient>",
				"</NewInternalClient><NewInternalPort>25</NewInternalPort><NewEnabled>1</NewEnabled><NewLeaseDuration>"+
					strconv.Itoa(tells(left))+"</NewLeaseDuration>")}
		}

		return igd.Fault{}
	})

	return l
}

// plan is what a run of plan says, "" for nothing; with apply it is carried out.
func (l *leases) run(apply bool) string {
	l.Helper()
	ledger := plan.NewLedger("nomeazienda")
	if l.grant.State != "" {
		g := l.grant
		ledger.Put(plan.Entry{
			Key:    leaseKey,
			Target: plan.ParseTarget("router"),
			Stage:  plan.StageForward,
			Text:   []string{server},
			Grant:  &g,
		})
	}

	r, err := Open(l.Context(), Options{
		Selection: Selection{URL: l.d.URL()},
		Owner: Owner{
			Site:  "nomeazienda",
			Known: ledger.Grant,
		},
		System: System{
			Timeout: time.Second,
			Now:     func() time.Time { return l.now },
		},
	})

	if err != nil {
		l.Fatal(err)
	}

	party := plan.Party{
		Target: plan.ParseTarget("router"),
		Driver: r,
		Wanted: []plan.Item{{Key: leaseKey, Stage: plan.StageForward, Lines: []string{server}, Lease: time.Hour, Reason: "wanted"}},
	}

	p, err := plan.Make(l.Context(), []plan.Party{party}, ledger, l.now)
	if err != nil {
		l.Fatal(err)
	}

	if apply {
		err := r.Apply(l.Context(), p.Changes, func(c plan.Change, _ error) {
			if c.Grant != nil {
				l.grant = *c.Grant
			}
		})

		if err != nil {
			l.Fatal(err)
		}
	}

	if len(p.Changes) == 0 {
		return ""
	}

	return string(p.Changes[0].Action) + ": " + p.Changes[0].Reason
}

// A router that tells at most 120 s of any lease: what it tells is no countdown, so that the plan
// is empty until half of the lease is over.
func TestLeaseToldTooShort(t *testing.T) {
	l := newLeases(t, func(left int) int { return min(left, 120) }, true)
	l.run(true)
	for _, after := range []time.Duration{10 * time.Second, 61 * time.Second, 2 * time.Minute,
		20 * time.Minute} {
		began := l.now
		l.now = began.Add(after)
		if got := l.run(false); got != "" && after > slack {
			t.Errorf("after %v: %s", after, got)
		}
		l.now = began
	}

	l.now = l.now.Add(31 * time.Minute)
	if got := l.run(true); !strings.Contains(got, "29 min left of a lease of") &&
		!strings.Contains(got, "left of a lease") {
		t.Errorf("after half of it: %q", got)
	}

	l.now = l.now.Add(29 * time.Minute)
	if got := l.run(false); got != "" || len(l.d.Mappings()) != 1 {
		t.Errorf("after it was renewed: %q, %v", got, l.d.Mappings())
	}
}

// A router that grants less than was asked, and means it.
func TestLeaseCutShort(t *testing.T) {
	l := newLeases(t, nil, true)
	l.d.Inject(func(c igd.Call) igd.Fault {
		if c.Action == "AddPortMapping" {
			c.Args["NewLeaseDuration"] = "600"
		}
		return igd.Fault{}
	})

	l.run(true)
	l.now = l.now.Add(4 * time.Minute)
	if got := l.run(false); got != "" {
		t.Errorf("before half of it: %q", got)
	}

	l.now = l.now.Add(2 * time.Minute)
	if got := l.run(true); !strings.Contains(got, "4 min left of a lease of 10 min") {
		t.Errorf("after half of it: %q", got)
	}

	if m := l.d.Mappings(); len(m) != 1 || m[0].Expires.Sub(l.now) < 9*time.Minute {
		t.Errorf("%v", m)
	}
}

// A router that tells 0, and lets the mapping lapse all the same: it is renewed in time.
func TestLeaseToldAsNone(t *testing.T) {
	l := newLeases(t, func(int) int { return 0 }, true)
	l.run(true)
	if l.grant.Lifetime != time.Hour {
		t.Errorf("granted %+v", l.grant)
	}

	l.now = l.now.Add(29 * time.Minute)
	if got := l.run(false); got != "" {
		t.Errorf("before half of it: %q", got)
	}

	l.now = l.now.Add(2 * time.Minute)
	if got := l.run(true); !strings.Contains(got, "29 min left of a lease of 1 h") {
		t.Errorf("after half of it: %q", got)
	}

	l.now = l.now.Add(45 * time.Minute)
	if len(l.d.Mappings()) != 1 {
		t.Error("it lapsed")
	}
}

// A router that refuses to renew, in whatever words: what is there is taken away and made anew.
func TestRenewalRefused(t *testing.T) {
	for _, code := range []int{501, 402, 718, -911} {
		l := newLeases(t, nil, true)
		l.run(true)
		l.d.Inject(func(c igd.Call) igd.Fault {
			if c.Action == "AddPortMapping" && len(l.d.Mappings()) > 0 {
				return igd.Fault{Code: code}
			}
			return igd.Fault{}
		})

		l.now = l.now.Add(31 * time.Minute)
		if got := l.run(true); !strings.Contains(got, "29 min left of a lease of 1 h") {
			t.Errorf("%d: renewed: %q", code, got)
		}

		if m := l.d.Mappings(); len(m) != 1 || m[0].Expires.Sub(l.now) < 59*time.Minute {
			t.Errorf("%d: after a renewal: %v, now %v", code, m, l.now)
		}
	}
}

// A router where adding again does not extend the lease: it is taken away and put there anew.
func TestRenewalThatDoesNotExtend(t *testing.T) {
	l := newLeases(t, nil, false)
	l.run(true)
	for range 3 {
		l.now = l.now.Add(31 * time.Minute)
		if got := l.run(true); !strings.Contains(got, "29 min left of a lease of 1 h") {
			t.Errorf("renewed: %q", got)
		}
		if m := l.d.Mappings(); len(m) != 1 || m[0].Expires.Sub(l.now) < 59*time.Minute {
			t.Fatalf("after a renewal: %v, now %v", m, l.now)
		}
	}
}
