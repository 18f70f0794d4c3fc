package nat

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

// A pinhole by PCP: granted, seen by a later run by its grant, healed, given back; and not
// taken for there when it stands for another address outside.
func TestPinholeByPCP(t *testing.T) {
	box, at := nattest.Start6(t)
	d := device1(t, igd.Config{})
	grants := map[plan.Key]plan.Grant{}
	open := func() *Router {
		r := openURL(t, d)
		r.known = func(k plan.Key) (plan.Grant, bool) { g, ok := grants[k]; return g, ok }
		o := r.options
		o.Known = r.known
		p, _, err := dialPCP(t.Context(), o, at, netip.IPv6Loopback(), "the box")
		if err != nil {
			t.Fatal(err)
		}

		r.holes = p
		return r
	}

	six := creation("tcp6/25", "[::1]:25")
	batch := []plan.Change{creation("tcp/25", server), six}
	put := func(c plan.Change, err error) {
		if err == nil && c.Grant != nil {
			grants[c.Key] = *c.Grant
		}
	}

	if err := open().Apply(t.Context(), batch, put); err != nil {
		t.Fatal(err)
	}

	if got := box.Mapped(); !slices.Equal(got, []string{"tcp/25 to 25"}) ||
		grants[six.Key].Lifetime != time.Hour {
		t.Errorf("mapped %v, granted %+v", got, grants[six.Key])
	}

	items, err := open().Read(t.Context(), []plan.Key{six.Key, batch[0].Key,
		{Kind: forward.Kind, Name: "tcp6/26"}})

	if err != nil || len(items) != 2 || items[1].Lines[0] != "[::1]:25" ||
		items[0].Lines[0] != server {
		t.Errorf("a later run reads %+v, %v", items, err)
	}

	healed, err := open().Recreate(t.Context(), plan.Item{Key: six.Key, Lines: six.After})
	if err != nil || len(box.Mapped()) != 1 {
		t.Errorf("healed: %v, mapped %v", err, box.Mapped())
	}

	grants[six.Key] = healed
	if err := open().Apply(t.Context(), []plan.Change{deletion("tcp6/25", "[::1]:25")},
		put); err != nil || len(box.Mapped()) != 0 {
		t.Errorf("deleted: %v, mapped %v", err, box.Mapped())
	}

	grants = map[plan.Key]plan.Grant{}
	box.Set(func(s *nattest.State) { s.External = netip.MustParseAddr("2001:db8::1") })
	err = open().Apply(t.Context(), []plan.Change{six}, put)
	if !errors.Is(err, ErrRefused) || len(box.Mapped()) != 0 {
		t.Errorf("another address outside: %v, mapped %v", err, box.Mapped())
	}

	for _, bad := range []plan.Change{creation("tcp6/25", server),
		creation("tcp/25", "[::1]:25"), creation("tcp6/25", "[::1]:26")} {
		if err := open().Apply(t.Context(), []plan.Change{bad}, put); err == nil {
			t.Errorf("%s leads to %s", bad.Key, bad.After)
		}
	}
}

// Of a router that makes no pinholes the forwards are read all the same, and those that
// were granted are not said to be shut while they last.
func TestPinholesShut(t *testing.T) {
	d := device1(t, igd.Config{})
	var granted plan.Grant
	r, err := Open(t.Context(), Options{
		Selection: Selection{
			URL:      d.URL(),
			IPv6:     netip.IPv6Loopback(),
			Gateway6: netip.IPv6Loopback(),
		},
		Owner: Owner{
			Site: "nomeazienda",
			Known: func(k plan.Key) (plan.Grant, bool) {
				return granted, granted.Lifetime > 0 && k.Name == "tcp6/25"
			},
		},
	})

	if err != nil {
		t.Fatal(err)
	}

	wanted := []plan.Item{forwardItem("tcp/25", server), forwardItem("tcp6/25", "[::1]:25"),
		forwardItem("tcp6/3000", "[::1]:3000")}

	shut := r.BlockedPinholes(t.Context(), wanted)
	if len(shut) != 2 {
		t.Errorf("shut: %v", shut)
	}

	has(t, "why", shut[wanted[1].Key], "no pinholes by pcp: ",
		"by upnp: it has no WANIPv6FirewallControl")

	items, err := r.Read(t.Context(), []plan.Key{wanted[0].Key, wanted[1].Key})
	if err != nil || len(items) != 1 || items[0].Unreadable == "" {
		t.Errorf("read %+v, %v", items, err)
	}

	granted = plan.Grant{Lifetime: time.Hour, At: time.Now()}
	if shut := r.BlockedPinholes(t.Context(), wanted); len(shut) != 1 {
		t.Errorf("shut while one is granted: %v", shut)
	}

	granted.At = time.Now().Add(-2 * time.Hour)
	if shut := r.BlockedPinholes(t.Context(), wanted); len(shut) != 2 {
		t.Errorf("shut after its time: %v", shut)
	}
}
