package nat

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

func TestHeal(t *testing.T) {
	d := device1(t, igd.Config{})
	r := openURL(t, d)
	r.known = func(k plan.Key) (plan.Grant, bool) {
		return plan.Grant{Lifetime: time.Hour, State: "upnp"}, k.Name == "tcp/25"
	}

	for _, m := range []igd.Mapping{
		{Proto: "tcp", External: 25, Internal: netip.MustParseAddrPort(server), Description: "mailpub nomeazienda", Enabled: true, Expires: time.Now().Add(time.Minute)},
		{Proto: "tcp", External: 110, Internal: netip.MustParseAddrPort("127.0.0.9:110"), Enabled: true},
	} {
		if err := d.Set(m); err != nil {
			t.Fatal(err)
		}
	}

	var mu sync.Mutex
	var done []string
	writes := func(refuse bool) func(igd.Call) igd.Fault {
		return func(c igd.Call) igd.Fault {
			if c.Action != "AddPortMapping" && c.Action != "DeletePortMapping" {
				return igd.Fault{}
			}

			mu.Lock()
			defer mu.Unlock()

			done = append(done, c.Action+" "+c.Args["NewExternalPort"])
			if refuse && c.Action == "AddPortMapping" {
				return igd.Fault{Code: 501}
			}

			return igd.Fault{}
		}
	}

	d.Inject(writes(false))
	key := func(name string) plan.Item {
		return forwardItem(name, map[string]string{"tcp/25": server,
			"tcp/110": "127.0.0.9:110"}[name])
	}

	g, err := r.Recreate(t.Context(), key("tcp/25"))
	if err != nil || g.Lifetime < 59*time.Minute {
		t.Errorf("healed: %+v, %v", g, err)
	}

	if want := []string{"DeletePortMapping 25", "AddPortMapping 25"}; !slices.Equal(done,
		want) {
		t.Errorf("done %q, want %q", done, want)
	}

	done = nil
	if _, err := r.Recreate(t.Context(), key("tcp/110")); !errors.Is(err, ErrConflict) ||
		len(done) != 0 {
		t.Errorf("a stranger's: %v, done %q", err, done)
	}

	if _, err := r.Recreate(t.Context(), key("tcp/143")); err == nil ||
		!strings.Contains(err.Error(), "apply puts it there") || len(done) != 0 {
		t.Errorf("what is not there: %v, done %q", err, done)
	}

	d.Inject(writes(true))
	if _, err := r.Recreate(t.Context(), key("tcp/25")); err == nil ||
		!strings.Contains(err.Error(), "cannot be restored") ||
		!strings.Contains(err.Error(), "501") {
		t.Errorf("not put back: %v", err)
	}
}

// What can't be listed is healed by its grant, with PCP under the same nonce or a new one.
func TestHealByGrant(t *testing.T) {
	for _, protocol := range []string{"nat-pmp", "pcp"} {
		b := nattest.Start(t)
		grants := map[plan.Key]plan.Grant{}
		r, err := Open(t.Context(), Options{
			Protocol:  protocol,
			Selection: Selection{Gateway: b.Addr},
			System:    System{Timeout: time.Second},
			Owner: Owner{Known: func(k plan.Key) (plan.Grant, bool) {
				g, ok := grants[k]
				return g, ok
			}},
		})

		if err != nil {
			t.Fatal(err)
		}

		c := creation("tcp/25", "127.0.0.1:25")
		if err := r.Apply(t.Context(), []plan.Change{c}, func(c plan.Change, _ error) {
			grants[c.Key] = *c.Grant
		}); err != nil {
			t.Fatal(err)
		}

		g, err := r.Recreate(t.Context(), plan.Item{Key: c.Key, Lines: c.After})
		if err != nil || g.Lifetime != time.Hour ||
			!slices.Equal(b.Mapped(), []string{"tcp/25 to 25"}) {
			t.Errorf("%s: %+v, %v, mapped %v", protocol, g, err, b.Mapped())
		}

		if items, err := r.Read(t.Context(), []plan.Key{c.Key}); err != nil || len(items) != 1 {
			t.Errorf("%s reads %v, %v", protocol, items, err)
		}
	}
}
