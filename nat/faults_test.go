package nat

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
)

const server = "127.0.0.1:25"

func openURL(t *testing.T, d *igd.Device) *Router {
	t.Helper()
	r, err := Open(t.Context(), Options{
		Selection: Selection{URL: d.URL()},
		Owner:     Owner{Site: "nomeazienda"},
		System:    System{Timeout: time.Second},
	})

	if err != nil {
		t.Fatal(err)
	}

	return r
}

// on injects a fault into one action.
func onAction(action string, f igd.Fault) func(igd.Call) igd.Fault {
	return func(c igd.Call) igd.Fault {
		if c.Action == action {
			return f
		}
		return igd.Fault{}
	}
}

const lie = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` +
	`<u:AddPortMappingResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:2"/></s:Body></s:Envelope>`

func permanentOnly(code int) func(igd.Call) igd.Fault {
	return func(c igd.Call) igd.Fault {
		if c.Action == "AddPortMapping" && c.Args["NewLeaseDuration"] != "0" {
			return igd.Fault{Code: code}
		}
		return igd.Fault{}
	}
}

func TestPermanentGrant(t *testing.T) {
	d := device1(t, igd.Config{Version: 1})
	d.Inject(permanentOnly(725))
	r := openURL(t, d)
	err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", server)},
		func(c plan.Change, _ error) {
			if c.Grant == nil || c.Grant.Lifetime != 0 {
				t.Errorf("granted %+v, want for ever", c.Grant)
			}
		})

	if err != nil {
		t.Fatal(err)
	}

	items, err := r.Read(t.Context(), []plan.Key{{Kind: forward.Kind, Name: "tcp/25"}})
	if err != nil || len(items) != 1 || !items[0].Expires.IsZero() {
		t.Errorf("read %+v, %v", items, err)
	}
}

// Taking over what belongs to another host: it goes only when ours takes its place.
func TestTakeOver(t *testing.T) {
	const theirs = "127.0.0.9:25"
	for _, test := range []struct {
		name  string
		fault func(igd.Call) igd.Fault
		parts []string // of the error; nil: it succeeds
		left  string
	}{
		{"well", nil, nil, server},
		{"it can't be removed", onAction("DeletePortMapping", igd.Fault{Code: 606}), []string{"606"}, theirs},
		{"it is removed, and ours refused", func(c igd.Call) igd.Fault {
			if c.Action == "AddPortMapping" && c.Args["NewInternalClient"] == "127.0.0.1" {
				return igd.Fault{Code: 718}
			}
			return igd.Fault{}
		}, []string{"718"}, theirs},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := device1(t, igd.Config{})
			if err := d.Set(igd.Mapping{
				Proto:    "tcp",
				External: 25,
				Internal: netip.MustParseAddrPort(theirs),
				Enabled:  true,
			}); err != nil {
				t.Fatal(err)
			}

			r := openURL(t, d)
			d.Inject(test.fault)
			err := r.Apply(t.Context(), []plan.Change{takeover("tcp/25", theirs, server)},
				func(plan.Change, error) {})

			if (err == nil) != (test.parts == nil) {
				t.Fatalf("got %v", err)
			}

			if err != nil {
				has(t, "error", err.Error(), test.parts...)
			}

			if m := d.Mappings(); len(m) != 1 || m[0].Internal.String() != test.left {
				t.Errorf("left %v, want %s", m, test.left)
			}
		})
	}
}

func TestDeleteFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(igd.Call) igd.Fault
		parts []string // of the error; nil: it succeeds
		left  int
	}{
		{"well", nil, nil, 0},
		{"the answer is lost", onAction("DeletePortMapping", igd.Fault{Stall: time.Minute, Late: true}), nil, 0},
		{"the request is lost", onAction("DeletePortMapping", igd.Fault{Stall: time.Minute}), []string{"nothing within 3s", "it ends by itself in 59 min"}, 1},
		{"a lie", onAction("DeletePortMapping", igd.Fault{Body: strings.ReplaceAll(lie, "Add", "Delete")}), []string{"says that it removed the mapping to " + server}, 1},
		{"refused", onAction("DeletePortMapping", igd.Fault{Code: 501}), []string{"501"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := device1(t, igd.Config{})
			r := openURL(t, d)
			ignore := func(plan.Change, error) {}
			if err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", server)},
				ignore); err != nil {
				t.Fatal(err)
			}

			d.Inject(test.fault)
			err := r.Apply(t.Context(), []plan.Change{deletion("tcp/25", server)}, ignore)
			if (err == nil) != (test.parts == nil) || len(d.Mappings()) != test.left {
				t.Fatalf("got %v, left %v", err, d.Mappings())
			}

			if err != nil {
				has(t, "error", err.Error(), test.parts...)
			}
		})
	}
}

// What can't be read is said to be so, key by key; a router that has fallen silent is
// an error.
func TestReadFaults(t *testing.T) {
	d := device1(t, igd.Config{})
	for _, m := range []igd.Mapping{
		{Proto: "tcp", External: 25, Internal: netip.MustParseAddrPort(server), Description: "mailpub nomeazienda", Enabled: true},
		{Proto: "tcp", External: 110, Internal: netip.MustParseAddrPort("127.0.0.1:110"), Description: "mailpub nomeazienda2"},
		{Proto: "udp", External: 25, Internal: netip.MustParseAddrPort("127.0.0.9:25"), Description: "caff\xe8", Enabled: true},
	} {
		if err := d.Set(m); err != nil {
			t.Fatal(err)
		}
	}

	r := openURL(t, d)
	var keys []plan.Key
	for _, name := range []string{"tcp/25", "tcp/110", "udp/25", "tcp/143"} {
		keys = append(keys, plan.Key{Kind: forward.Kind, Name: name})
	}

	read := func() string {
		t.Helper()
		items, err := r.Read(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}

		var all []string
		for _, it := range items {
			s := it.Key.Name + " " + strings.Join(it.Lines, " ") + it.Unreadable
			if it.Marked {
				s += " marked"
			}
			all = append(all, s)
		}

		return strings.Join(all, ", ")
	}

	if got, want := read(), "tcp/25 127.0.0.1:25 marked, tcp/110 127.0.0.1:110 disabled, udp/25 127.0.0.9:25"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}

	d.Inject(func(c igd.Call) igd.Fault {
		if c.Args["NewExternalPort"] == "110" {
			return igd.Fault{Code: 501}
		}
		return igd.Fault{}
	})

	has(t, "read", read(), "tcp/25 127.0.0.1:25 marked, tcp/110 127.0.0.1:110 disabled") // from its list
	d.Inject(func(c igd.Call) igd.Fault {
		if c.Args["NewExternalPort"] == "110" || c.Action == "GetGenericPortMappingEntry" {
			return igd.Fault{Code: 501}
		}
		return igd.Fault{}
	})

	r.device.(*upnp).known = func(plan.Key) (plan.Grant, bool) {
		return plan.Grant{Lifetime: time.Hour, At: time.Now(), State: stateUPnP}, true
	}

	has(t, "read", read(), "tcp/25 127.0.0.1:25 marked, tcp/110 the router answers 501",
		"and its list can't be read")

	if err := r.Apply(t.Context(), []plan.Change{deletion("tcp/25", server),
		creation("tcp/110", "127.0.0.1:110")}, func(plan.Change, error) {}); err == nil ||
		!strings.Contains(err.Error(), "tcp/110 can't be read") {
		t.Errorf("applying what can't be read: %v", err)
	}

	d.Inject(func(igd.Call) igd.Fault { return igd.Fault{Status: 500} })
	if items, err := r.Read(t.Context(), keys); !errors.Is(err, errNoAnswer) {
		t.Errorf("a silent router reads %v, %v", items, err)
	}

	d.Close()
	if items, err := r.Read(t.Context(), keys); !errors.Is(err, errNoAnswer) {
		t.Errorf("a router that is gone reads %v, %v", items, err)
	}

	if _, err := r.Read(t.Context(), []plan.Key{{Kind: "dns", Name: "x"}}); err == nil {
		t.Error("a key of another kind is read")
	}
}

// Cancelled in the middle of a change, Apply sees it through and reports it, and does
// not begin the next.
func TestCancelled(t *testing.T) {
	d := device1(t, igd.Config{})
	r := openURL(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	d.Inject(func(c igd.Call) igd.Fault {
		if c.Action == "AddPortMapping" {
			cancel()
		}
		return igd.Fault{}
	})

	var good []string
	err := r.Apply(ctx, []plan.Change{creation("tcp/25", server),
		creation("tcp/110", "127.0.0.1:110")}, func(c plan.Change, err error) {
		if err == nil {
			good = append(good, c.Key.Name)
		}
	})

	if !errors.Is(err, context.Canceled) || len(good) != 1 || good[0] != "tcp/25" ||
		len(d.Mappings()) != 1 {
		t.Errorf("got %v, done %v, left %v", err, good, d.Mappings())
	}
}

func TestWANFaults(t *testing.T) {
	d := device1(t, igd.Config{})
	r := openURL(t, d)
	answer := func(address string) igd.Fault {
		return igd.Fault{Body: strings.ReplaceAll(strings.ReplaceAll(lie, "AddPortMapping",
			"GetExternalIPAddress"),
			`:2"/>`, `:2"><NewExternalIPAddress>`+address+
				`</NewExternalIPAddress></u:GetExternalIPAddressResponse>`)}
	}

	for address, want := range map[string]string{
		"2.2.2.2": "", " 2.2.2.2\n": "", "": "it tells none",
		"100.64.0.2":  "100.64.0.2 is shared by a provider's customers",
		"192.168.1.2": "192.168.1.2 is private (RFC 1918)", "none": `"none" is no address`,
	} {
		d.Inject(onAction("GetExternalIPAddress", answer(address)))
		a, err := r.WAN(t.Context())
		if want == "" {
			if err != nil || a.String() != "2.2.2.2" {
				t.Errorf("%q: %v, %v", address, a, err)
			}
			continue
		}

		if err == nil || !strings.Contains(err.Error(), want) ||
			errors.Is(err, ErrDoubleNAT) != (address != "none") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}

func TestManual(t *testing.T) {
	r, err := Open(t.Context(), Options{Protocol: "manual"})
	if err != nil {
		t.Fatal(err)
	}

	items, err := r.Read(t.Context(), []plan.Key{{Kind: forward.Kind, Name: "tcp/25"}})
	if err != nil || len(items) != 1 || !strings.HasPrefix(items[0].Unreadable,
		"set manually") || items[0].Lines != nil {
		t.Errorf("read %+v, %v", items, err)
	}

	reported := 0
	if err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", server)},
		func(plan.Change, error) {
			reported++
		}); err == nil || reported != 1 {
		t.Errorf("apply: %v, reported %d times", err, reported)
	}

	if _, err := r.WAN(t.Context()); err == nil || errors.Is(err, ErrDoubleNAT) {
		t.Errorf("WAN: %v", err)
	}
}

// What a run asks of a router does not grow with what others have in it.
func TestStrangersCostNothing(t *testing.T) {
	asked := func(strangers int) int64 {
		d := device1(t, igd.Config{})
		for i := range strangers {
			err := d.Set(igd.Mapping{
				Proto:    "udp",
				External: uint16(20000 + i),
				Internal: netip.MustParseAddrPort("127.0.0.9:25"),
				Enabled:  true,
			})

			if err != nil {
				t.Fatal(err)
			}
		}

		var n atomic.Int64
		d.Inject(func(igd.Call) igd.Fault { n.Add(1); return igd.Fault{} })
		r := openURL(t, d)
		if err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", server)},
			func(plan.Change, error) {}); err != nil {
			t.Fatal(err)
		}

		return n.Load()
	}

	if alone, among := asked(0), asked(1000); alone != among || alone == 0 {
		t.Errorf("%d requests alone, %d among 1000 mappings", alone, among)
	}
}
