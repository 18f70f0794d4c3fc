package nat

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

func TestRebooted(t *testing.T) {
	for _, test := range []struct {
		then, now uint32
		elapsed   time.Duration
		want      bool
	}{
		{1000, 1000, 0, false},
		{1000, 1100, 100 * time.Second, false},
		{1000, 1086, 100 * time.Second, false}, // 1087.5 is expected, less 2
		{1000, 1085, 100 * time.Second, true},
		{1000, 998, 0, false},
		{1000, 997, 0, true},
		{1000, 0, time.Hour, true},
		{0, 3600, time.Hour, false},
		{1000, 5000, time.Second, false}, // it may run ahead
		{1 << 31, 1<<31 + 10, 10 * time.Second, false},
	} {
		if got := rebooted(test.then, test.now, test.elapsed); got != test.want {
			t.Errorf("from %d to %d in %v: %v", test.then, test.now, test.elapsed, got)
		}
	}
}

func TestNote(t *testing.T) {
	n := grantState{
		protocol: "nat-pmp",
		to: forward.Target{
			Host: "10.10.10.10",
			Port: 25,
		},
		gateway: netip.MustParseAddr("10.10.10.1"),
		epoch:   4711,
	}

	withNonce := n
	withNonce.protocol = "pcp"
	withNonce.nonce = pcpNonce{1}

	for _, n := range []grantState{n, withNonce} {
		if got, ok := parseNote(n.String()); !ok || got != n {
			t.Errorf("%q is %v, %v", n, got, ok)
		}
	}

	for _, bad := range []string{"", "upnp", "nat-pmp to x by y epoch 1",
		"nat-pmp to 10.10.10.10:25 by 10.10.10.1 epoch -1",
		"nat-pmp to 10.10.10.10:25 by 10.10.10.1",
		"pcp to 10.10.10.10:25 by 10.10.10.1 epoch 1",
		"pcp to 10.10.10.10:25 by 10.10.10.1 epoch 1 nonce 00ff",
		"nat-pmp to 10.10.10.10:25 by 10.10.10.1 epoch 1 nonce 0102030405060708090a0b0c"} {
		if got, ok := parseNote(bad); ok {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}

// openPMPAt opens the router; the address of this machine is then the router's own, as
// happens on loopback.
func openPMPAt(t *testing.T, f *nattest.Box, known map[plan.Key]plan.Grant, now func() time.Time) *Router {
	t.Helper()
	r, err := Open(t.Context(), Options{
		Protocol:  "nat-pmp",
		Selection: Selection{Gateway: f.Addr},
		System: System{
			Timeout: time.Second,
			Now:     now,
		},
		Owner: Owner{Known: func(k plan.Key) (plan.Grant, bool) {
			g, ok := known[k]
			return g, ok
		}},
	})

	if err != nil {
		t.Fatal(err)
	}

	return r
}

// Two ports outside can't lead to one inside, and trying it does not cost the first.
func TestPMPOnePortInside(t *testing.T) {
	f := nattest.Start(t)
	r := openPMPAt(t, f, nil, nil)
	to := r.device.(*pmp).local.String() + ":25"
	f.Set(func(s *nattest.State) { s.Offer = map[uint16]uint16{2525: 25} })
	err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", to),
		creation("tcp/2525", to)}, func(plan.Change, error) {})

	if !errors.Is(err, ErrConflict) || !slices.Equal(f.Mapped(), []string{"tcp/25 to 25"}) {
		t.Errorf("got %v, left %s", err, f.Mapped())
	}

	has(t, "error", err.Error(), "tcp/2525", "tcp/25 already maps to "+to)
}

// What was granted is there until its time is over or the router's epoch went back,
// and only at the router that granted it.
func TestPMPKnown(t *testing.T) {
	f := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	to := forward.Target{Host: "127.0.0.1", Port: 25}
	state := grantState{
		protocol: "nat-pmp",
		to:       to,
		gateway:  f.Addr,
		epoch:    1000,
	}.String()

	for _, test := range []struct {
		name  string
		state string
		after time.Duration
		epoch uint32
		there bool
	}{
		{"at once", state, 0, 1000, true},
		{"in time", state, 59 * time.Minute, 1000 + 59*60, true},
		{"expired", state, time.Hour, 1000 + 3600, false},
		{"rebooted", state, 30 * time.Minute, 12, false},
		{"rebooted long ago", state, 30 * time.Minute, 1500, false},
		{"another protocol", "upnp", 0, 1000, false},
	} {
		f.Set(func(s *nattest.State) { s.Epoch = test.epoch })
		known := map[plan.Key]plan.Grant{key: {Lifetime: time.Hour, At: start, State: test.state}}
		r := openPMPAt(t, f, known, func() time.Time { return start.Add(test.after) })
		items, err := r.Read(t.Context(), []plan.Key{key,
			{Kind: forward.Kind, Name: "tcp/110"}})

		if err != nil {
			t.Fatal(err)
		}

		if (len(items) == 1) != test.there {
			t.Errorf("%s: read %v", test.name, items)
		} else if test.there && (items[0].Lines[0] != "127.0.0.1:25" ||
			!items[0].Expires.Equal(start.Add(time.Hour)) || items[0].Marked) {
			t.Errorf("%s: read %+v", test.name, items[0])
		}
	}
}

// What another router granted is neither there nor gone while it lasts: the one of now is asked for
// it, and nothing says that it was taken away.
func TestGrantOfAnotherRouter(t *testing.T) {
	f := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	state := grantState{
		protocol: "nat-pmp",
		to: forward.Target{
			Host: "127.0.0.1",
			Port: 25,
		},
		gateway: netip.MustParseAddr("10.10.10.1"),
		epoch:   1000,
	}.String()

	known := map[plan.Key]plan.Grant{key: {Lifetime: time.Hour, At: start, State: state}}
	now := start.Add(10 * time.Minute)
	r := openPMPAt(t, f, known, func() time.Time { return now })
	read := func() []plan.Item {
		items, err := r.Read(t.Context(), []plan.Key{key})
		if err != nil {
			t.Fatal(err)
		}
		return items
	}

	items := read()
	if len(items) != 1 || len(items[0].Lines) != 0 {
		t.Fatalf("read %+v", items)
	}

	has(t, "why", items[0].Again, "the gateway is "+f.Addr.String()+
		" now; 10.10.10.1 granted it, where it ends by itself in 50 min")

	c := creation("tcp/25", r.device.(*pmp).local.String()+":25")
	if err := r.Apply(t.Context(), []plan.Change{c},
		func(plan.Change, error) {}); err != nil ||
		!slices.Equal(f.Mapped(), []string{"tcp/25 to 25"}) {
		t.Errorf("%v, mapped %v", err, f.Mapped())
	}

	if items = read(); len(items) != 1 || len(items[0].Lines) == 0 {
		t.Errorf("afterwards %+v", items)
	}

	r = openPMPAt(t, f, known, func() time.Time { return start.Add(2 * time.Hour) })
	if items = read(); len(items) != 0 {
		t.Errorf("when it has ended: %+v", items)
	}
}

// A request without a lease asks for two hours: zero would delete.
func TestPMPLease(t *testing.T) {
	f := nattest.Start(t)
	r := openPMPAt(t, f, nil, nil)
	c := creation("tcp/25", r.device.(*pmp).local.String()+":25")
	c.Lease = 0
	err := r.Apply(t.Context(), []plan.Change{c}, func(c plan.Change, _ error) {
		if c.Grant == nil || c.Grant.Lifetime != 2*time.Hour {
			t.Errorf("granted %+v", c.Grant)
		}
	})

	if err != nil || !slices.Equal(f.Mapped(), []string{"tcp/25 to 25"}) {
		t.Errorf("got %v, left %s", err, f.Mapped())
	}
}
