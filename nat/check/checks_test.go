package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

func addresses(texts ...string) (all []netip.Addr) {
	for _, s := range texts {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func startDevice(t *testing.T, cfg igd.Config) *igd.Device {
	t.Helper()
	if !cfg.External.IsValid() {
		cfg.External = netip.MustParseAddr("2.2.2.2")
	}

	d, err := igd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { d.Close() })
	return d
}

func openRouter(t *testing.T, d *igd.Device) *nat.Router {
	t.Helper()
	r, err := nat.Open(t.Context(), nat.Options{
		Selection: nat.Selection{URL: d.URL()},
		Owner:     nat.Owner{Site: "nomeazienda"},
		System:    nat.System{Timeout: time.Second},
	})

	if err != nil {
		t.Fatal(err)
	}

	return r
}

func wantedItem(name, to string) plan.Item {
	return plan.Item{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: name,
		},
		Lines: []string{to},
		Lease: time.Hour,
	}
}

// check runs the checks and returns them by id and subject. It holds all of them to
// the rules: no id that was not announced, no finding without what to do next.
func check(t *testing.T, f Facts) map[string]plan.Check {
	t.Helper()
	checkers := Checkers(f)
	found := map[string]plan.Check{}

	for _, c := range plan.RunChecks(t.Context(), checkers) {
		if !slices.Contains(checkers[0].IDs, c.ID) || c.Subject == (plan.Subject{}) ||
			c.Ref == "" || c.Got == "" {
			t.Errorf("incomplete: %+v", c)
		}

		if (c.Hint == "") != (c.Status == plan.Pass) {
			t.Errorf("%s is %s with hint %q", c.ID, c.Status, c.Hint)
		}

		found[c.ID+" "+strings.TrimSuffix(strings.Split(c.Subject.String(), " of ")[0],
			" ")] = c
	}

	for _, id := range checkers[0].IDs {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(k string) bool {
			return strings.HasPrefix(k, id+" ")
		}) {
			t.Errorf("%s is not there", id)
		}
	}

	return found
}

func wantCheck(t *testing.T, found map[string]plan.Check, key string, status plan.Status, got string) {
	t.Helper()
	if c := found[key]; c.Status != status || !strings.Contains(c.Got, got) {
		t.Errorf("%s is %q with %q; want %q with %q", key, c.Status, c.Got, status, got)
	}
}

func opens(r *nat.Router) func(context.Context) (*nat.Router, error) {
	return func(context.Context) (*nat.Router, error) { return r, nil }
}

func TestCheckForwards(t *testing.T) {
	d := startDevice(t, igd.Config{})
	set := func(p uint16, to, description string, enabled bool) {
		t.Helper()
		m := igd.Mapping{
			Proto:       "tcp",
			External:    p,
			Internal:    netip.MustParseAddrPort(to),
			Description: description,
			Enabled:     enabled,
			Expires:     time.Now().Add(29 * time.Minute),
		}

		if err := d.Set(m); err != nil {
			t.Fatal(err)
		}
	}

	const ours = "mailpub nomeazienda"
	set(25, "127.0.0.1:25", ours, true)
	set(110, "127.0.0.9:110", "theirs", true)
	set(143, "127.0.0.1:143", ours, false)
	set(1000, "127.0.0.1:1000", "theirs", true)
	set(2000, "127.0.0.1:2000", ours, true)
	r, err := nat.Open(t.Context(), nat.Options{
		Selection: nat.Selection{URL: d.URL()},
		Owner: nat.Owner{
			Site: "nomeazienda",
			Known: func(k plan.Key) (plan.Grant, bool) {
				return plan.Grant{
					Lifetime: time.Hour,
					At:       time.Now().Add(-31 * time.Minute),
				}, k.Name == "tcp/2000"
			},
		},
		System: nat.System{Timeout: time.Second},
	})

	if err != nil {
		t.Fatal(err)
	}

	f := Facts{Open: opens(r), Owned: func(plan.Key) bool { return false }}
	for _, name := range []string{"tcp/25", "tcp/110", "tcp/143", "tcp/1000", "tcp/2000",
		"tcp/3000"} {
		f.Wanted = append(f.Wanted, wantedItem(name,
			"127.0.0.1:"+strings.TrimPrefix(name, "tcp/")))
	}

	found := check(t, f)
	wantCheck(t, found, "router.gateway router", plan.Pass, `router "mailpub demo router"`)
	wantCheck(t, found, "router.wan WAN address", plan.Pass, "2.2.2.2")
	wantCheck(t, found, "router.address public address", plan.Skip,
		"router 2.2.2.2; no probe shows the outside view")

	wantCheck(t, found, "router.forward tcp/25", plan.Pass, "127.0.0.1:25")
	wantCheck(t, found, "router.forward tcp/110", plan.Fail, "127.0.0.9:110")
	wantCheck(t, found, "router.forward tcp/143", plan.Fail, "127.0.0.1:143 disabled")
	wantCheck(t, found, "router.forward tcp/1000", plan.Fail, "created by another program")
	wantCheck(t, found, "router.forward tcp/2000", plan.Warn, "for another 29m0s of 1h0m0s")
	wantCheck(t, found, "router.forward tcp/3000", plan.Fail, "not in the router")

	f.Owned = func(k plan.Key) bool {
		return k.Name == "tcp/1000"
	} // taken up by an earlier apply

	wantCheck(t, check(t, f), "router.forward tcp/1000", plan.Pass, "127.0.0.1:1000")

	d.Inject(func(igd.Call) igd.Fault { return igd.Fault{Status: 500} })
	found = check(t, f)
	wantCheck(t, found, "router.wan WAN address", plan.Skip, "no usable answer")
	wantCheck(t, found, "router.forward tcp/25", plan.Skip, "no usable answer")
}

func TestCheckAddress(t *testing.T) {
	r := openRouter(t, startDevice(t, igd.Config{}))
	sees := func(a string) func(context.Context) (netip.Addr, error) {
		return func(context.Context) (netip.Addr, error) {
			return netip.MustParseAddr(a), nil
		}
	}

	has := func(all ...string) func(context.Context) ([]netip.Addr, error) {
		return func(context.Context) ([]netip.Addr, error) {
			return addresses(all...), nil
		}
	}

	failing := func(context.Context) (netip.Addr, error) {
		return netip.Addr{}, errors.New("probe not reached")
	}

	servfail := func(context.Context) ([]netip.Addr, error) {
		return nil, errors.New("SERVFAIL")
	}

	for name, test := range map[string]struct {
		f      Facts
		status plan.Status
		got    string
	}{
		"all agree":         {Facts{Published: has("2.2.2.2"), Outside: sees("2.2.2.2")}, plan.Pass, "router 2.2.2.2; outside view 2.2.2.2; published 2.2.2.2"},
		"without a probe":   {Facts{Published: has("2.2.2.2")}, plan.Pass, "router 2.2.2.2; published 2.2.2.2; no probe"},
		"moved":             {Facts{Published: has("2.2.2.9"), Outside: sees("2.2.2.2")}, plan.Fail, "published 2.2.2.9"},
		"one too many":      {Facts{Published: has("2.2.2.2", "2.2.2.9")}, plan.Fail, "published 2.2.2.2 and 2.2.2.9"},
		"nothing published": {Facts{Published: has()}, plan.Fail, "published none"},
		"behind another":    {Facts{Published: has("2.2.2.2"), Outside: sees("2.2.2.7")}, plan.Fail, "outside view 2.2.2.7"},
		"probe fails":       {Facts{Published: has("2.2.2.2"), Outside: failing}, plan.Pass, "outside view: probe not reached"},
		"all fail":          {Facts{Published: servfail, Outside: failing}, plan.Skip, "published: SERVFAIL"},
		"IPv6 beside it":    {Facts{Published: has("2.2.2.2", "2001:db8::25"), Outside: sees("2001:db8::1")}, plan.Pass, "published 2.2.2.2; outside view: 2001:db8::1, not by IPv4"},
		"IPv6 alone":        {Facts{Published: has("2001:db8::25")}, plan.Fail, "published none"},
		"mapped form":       {Facts{Published: has("::ffff:2.2.2.2")}, plan.Pass, "published 2.2.2.2"},
	} {
		test.f.Open = opens(r)
		t.Run(name, func(t *testing.T) {
			wantCheck(t, check(t, test.f), "router.address public address", test.status,
				test.got)
		})
	}
}

func TestCheckGateway(t *testing.T) {
	wanted := []plan.Item{wantedItem("tcp/25", "127.0.0.1:25")}
	fails := func(err error) Facts {
		return Facts{
			Wanted: wanted,
			Open:   func(context.Context) (*nat.Router, error) { return nil, err },
		}
	}

	found := check(t, fails(fmt.Errorf("%w: silence", nat.ErrNoRouter)))
	wantCheck(t, found, "router.gateway router", plan.Fail, "no router answers: silence")
	for _, key := range []string{"router.wan WAN address", "router.address public address",
		"router.forward tcp/25"} {
		wantCheck(t, found, key, plan.Skip, "no router to ask")
	}

	wantCheck(t, check(t, fails(nat.ErrSeveralRouters)), "router.gateway router", plan.Fail,
		"several")

	wantCheck(t, check(t, fails(context.Canceled)), "router.gateway router", plan.Skip,
		"canceled")

	wantCheck(t, check(t, Facts{
		Wanted: wanted,
		Open:   opens(nil),
	}), "router.gateway router", plan.Skip, "none, as configured")

	manual, err := nat.Open(t.Context(), nat.Options{Protocol: "manual"})
	if err != nil {
		t.Fatal(err)
	}

	found = check(t, Facts{Wanted: wanted, Open: opens(manual)})
	wantCheck(t, found, "router.gateway router", plan.Warn, "not asked")
	wantCheck(t, found, "router.wan WAN address", plan.Skip, "configured manually")
	wantCheck(t, found, "router.forward tcp/25", plan.Skip, "set manually")

	behind := openRouter(t, startDevice(t, igd.Config{External: netip.MustParseAddr("100.64.0.2")}))
	wantCheck(t, check(t, Facts{Open: opens(behind)}), "router.wan WAN address", plan.Fail,
		"100.64.0.2 is shared by a provider's customers")
}

// NAT-PMP can't be read, so that nothing passes; what is certainly gone fails.
func TestCheckPMP(t *testing.T) {
	f := nattest.Start(t)
	r, err := nat.Open(t.Context(), nat.Options{
		Protocol:  "nat-pmp",
		Selection: nat.Selection{Gateway: f.Addr},
		System:    nat.System{Timeout: time.Second},
	})

	if err != nil {
		t.Fatal(err)
	}

	to := "127.0.0.1:25"
	change := plan.Change{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: "tcp/25",
		},
		Action: plan.Create,
		After:  []string{to},
		Lease:  time.Hour,
	}

	if err := r.Apply(t.Context(), []plan.Change{change},
		func(plan.Change, error) {}); err != nil {
		t.Fatal(err)
	}

	facts := Facts{Open: opens(r), Wanted: []plan.Item{wantedItem("tcp/25", to)}}
	wantCheck(t, check(t, facts), "router.forward tcp/25", plan.Skip,
		"the router has not restarted since")

	f.Set(func(s *nattest.State) { s.Epoch = 0 })
	wantCheck(t, check(t, facts), "router.forward tcp/25", plan.Fail, "not in the router")
}
