package check

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
)

func TestStray(t *testing.T) {
	d := startDevice(t, igd.Config{})
	set := func(p uint16, description string) {
		t.Helper()
		if err := d.Set(igd.Mapping{
			Proto:       "tcp",
			External:    p,
			Internal:    netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p),
			Description: description,
			Enabled:     true,
		}); err != nil {
			t.Fatal(err)
		}
	}

	const subject = "router.stray forwards that the config does not want"
	set(25, "mailpub nomeazienda")
	set(26, "theirs")                // beside a wanted one, but of somebody else
	set(8080, "mailpub nomeazienda") // far from any
	f := Facts{
		Open: opens(openRouter(t, d)),
		Wanted: []plan.Item{wantedItem("tcp/25", "127.0.0.1:25"),
			wantedItem("tcp/143", "127.0.0.1:143")},
	}

	wantCheck(t, check(t, f), subject, plan.Pass, "none")

	set(144, "mailpub nomeazienda")
	wantCheck(t, check(t, f), subject, plan.Fail, "tcp/144 to 127.0.0.1:144")
	f.Kept = []plan.Key{{Kind: forward.Kind, Name: "tcp/8080"},
		{Kind: forward.Kind, Name: "tcp/25"}, {Kind: forward.Kind, Name: "tcp/9090"}}

	wantCheck(t, check(t, f), subject, plan.Fail,
		"tcp/8080 to 127.0.0.1:8080, tcp/144 to 127.0.0.1:144")

	d.Inject(func(igd.Call) igd.Fault { return igd.Fault{Status: 500} })
	wantCheck(t, check(t, f), subject, plan.Skip, "no usable answer")
	f.Open = opens(nil)
	wantCheck(t, check(t, f), subject, plan.Skip, "no router")
	manual, err := nat.Open(t.Context(), nat.Options{Protocol: "manual"})
	if err != nil {
		t.Fatal(err)
	}

	f.Open = opens(manual)
	f.Wanted = nil
	wantCheck(t, check(t, f), subject, plan.Skip, "nothing that the router could be asked for")
}

// A forward that mailpub put there and that is gone is told from one that never was.
func TestLostForward(t *testing.T) {
	f := Facts{
		Open: opens(openRouter(t, startDevice(t, igd.Config{}))),
		Wanted: []plan.Item{wantedItem("tcp/25", "127.0.0.1:25"),
			wantedItem("tcp/143", "127.0.0.1:143")},
		Owned: func(k plan.Key) bool { return k.Name == "tcp/25" },
	}

	found := check(t, f)
	wantCheck(t, found, "router.forward tcp/25", plan.Fail, "not in the router any more")
	wantCheck(t, found, "router.forward tcp/143", plan.Fail, "not in the router")

	if found["router.forward tcp/25"].Reason != plan.ReasonLost ||
		found["router.forward tcp/143"].Reason != "" {
		t.Errorf("%+v", found)
	}
}

// One whose lease ran out was not forgotten by the router.
func TestLapsedForward(t *testing.T) {
	granted := plan.Grant{
		Lifetime: time.Hour,
		At:       time.Now().Add(-2 * time.Hour),
		State:    "upnp",
	}

	d := startDevice(t, igd.Config{})
	r, err := nat.Open(t.Context(), nat.Options{
		Selection: nat.Selection{URL: d.URL()},
		Owner: nat.Owner{
			Site:  "nomeazienda",
			Known: func(plan.Key) (plan.Grant, bool) { return granted, true },
		},
	})

	if err != nil {
		t.Fatal(err)
	}

	f := Facts{
		Open:   opens(r),
		Wanted: []plan.Item{wantedItem("tcp/25", "127.0.0.1:25")},
		Owned:  func(plan.Key) bool { return true },
	}

	found := check(t, f)
	wantCheck(t, found, "router.forward tcp/25", plan.Fail,
		"its lease ran out at "+granted.Expires().UTC().Format(time.RFC3339))

	if found["router.forward tcp/25"].Reason != plan.ReasonLapsed {
		t.Errorf("%+v", found)
	}
}

// Whether the router leads back inside is information, whatever it is.
func TestLoopback(t *testing.T) {
	f := Facts{Open: opens(nil), Server: "mail.nomeazienda.it", Inside: "10.10.10.10"}
	const key = "router.loopback public address from inside"
	f.NoLoopback = "this machine is not in the server's network"
	wantCheck(t, check(t, f), key, plan.Skip, "not in the server's network")
	f.Loopback = func(context.Context) (string, error) { return "2.2.2.2:25", nil }
	wantCheck(t, check(t, f), key, plan.Pass,
		"2.2.2.2:25 reaches the server by hairpin NAT, which proves nothing about connections from outside")

	f.Loopback = func(context.Context) (string, error) {
		return "2.2.2.2:25", errors.New("no answer in time")
	}

	found := check(t, f)
	wantCheck(t, found, key, plan.Warn, "2.2.2.2:25 is not reached from inside: no answer in time")
	if c := found[key]; !c.Advice || !strings.Contains(c.Hint,
		"answers 10.10.10.10 for it (split DNS)") {
		t.Errorf("%+v", c)
	}
}
