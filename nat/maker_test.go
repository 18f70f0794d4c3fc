package nat

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

// both is a router that speaks UPnP on a search, and NAT-PMP and PCP at its gateway address.
func both(t *testing.T, answers func(st string) []string) (*nattest.Box, Options) {
	t.Helper()
	box := nattest.Start(t)
	return box, Options{
		Owner: Owner{
			Site: "nomeazienda",
		},
		System: System{
			Timeout:  500 * time.Millisecond,
			Search:   nattest.Responder(t, answers),
			Gateways: func() ([]netip.Addr, error) { return []netip.Addr{box.Addr}, nil },
		},
	}
}

func recorded(o Options, state string, lifetime time.Duration, at time.Time) Options {
	k := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	o.Recorded = []plan.Key{k}
	o.Known = func(asked plan.Key) (plan.Grant, bool) {
		return plan.Grant{Lifetime: lifetime, At: at, State: state}, asked == k
	}
	return o
}

// UPnP made the forwards and is silent, while NAT-PMP and PCP answer: nothing is gone, nothing is
// mapped anew, and nothing is taken for removed.
func TestMakerIsSilent(t *testing.T) {
	t.Parallel()
	box, o := both(t, func(string) []string { return nil })
	r, err := Open(t.Context(), recorded(o, "upnp", time.Hour, time.Now()))
	if err != nil {
		t.Fatal(err)
	}

	if r.Protocol() != "upnp" {
		t.Errorf("protocol %s", r.Protocol())
	}

	has(t, "why", r.ChoiceReason(), "upnp made this site's forwards and does not answer now",
		"no answer to a search within 15s", "pcp: the default gateway")

	items, err := r.Read(t.Context(), []plan.Key{{Kind: forward.Kind, Name: "tcp/25"},
		{Kind: forward.Kind, Name: "tcp/110"}})

	if err != nil || len(items) != 2 {
		t.Fatalf("read %+v, %v", items, err)
	}

	for _, it := range items {
		has(t, it.Key.Name, it.Unreadable, "upnp made this site's forwards and does not answer now",
			"by pcp they can't be seen")
	}

	if a, err := r.WAN(t.Context()); err != nil || a.String() != "2.2.2.2" {
		t.Errorf("WAN %v, %v", a, err)
	}

	for _, c := range []plan.Change{creation("tcp/110", "127.0.0.1:110"),
		deletion("tcp/25", server)} {
		if err := r.Apply(t.Context(), []plan.Change{c},
			func(plan.Change, error) {}); err == nil {
			t.Errorf("%s is done", c.Action)
		}
	}

	if left := box.Mapped(); len(left) != 0 {
		t.Errorf("mapped %v by another protocol", left)
	}
}

// The protocol that made the forwards is taken though another one answers sooner; where what it
// made has lapsed, or nothing is recorded, it is chosen as ever.
func TestMakerIsPreferred(t *testing.T) {
	d := device1(t, igd.Config{})
	for _, c := range []struct {
		name  string
		state string
		at    time.Time
		slow  time.Duration
		want  string
	}{
		{"upnp is slow, and made them", "upnp", time.Now(), 2 * time.Second, "upnp"},
		{"upnp is slow, and what it made has lapsed", "upnp", time.Now().Add(-2 * time.Hour), 2 * time.Second, "pcp"},
		{"upnp is quick, and pcp made them", "pcp to 127.0.0.1:25 by 127.77.0.1 epoch 1000 nonce 000102030405060708090a0b", time.Now(), 0, "pcp"},
		{"upnp is quick, and nat-pmp made them", "nat-pmp to 127.0.0.1:25 by 127.77.0.1 epoch 1000", time.Now(), 0, "nat-pmp"},
		{"what made them is not known", "", time.Now(), 0, "upnp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, o := both(t, func(st string) []string {
				time.Sleep(c.slow)
				return []string{nattest.Answer(st, d.URL())}
			})

			r, err := Open(t.Context(), recorded(o, c.state, time.Hour, c.at))
			if err != nil {
				t.Fatal(err)
			}

			if r.Protocol() != c.want {
				t.Errorf("protocol %s, want %s: %s", r.Protocol(), c.want, r.ChoiceReason())
			}
		})
	}
}

// The config names another protocol than the one that made the forwards: that is a change with a
// line of its own, which takes the former away by what made it.
func TestChangeOver(t *testing.T) {
	box := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	pmp := openPMPAt(t, box, nil, time.Now)
	var grant plan.Grant
	err := pmp.Apply(t.Context(), []plan.Change{creation("tcp/25", "127.0.0.1:25")},
		func(c plan.Change, _ error) {
			grant = *c.Grant
		})

	if err != nil {
		t.Fatal(err)
	}

	d := device1(t, igd.Config{})
	o := Options{
		Selection: Selection{
			URL:     d.URL(),
			Gateway: box.Addr,
		},
		Owner: Owner{
			Site:     "nomeazienda",
			Recorded: []plan.Key{key},
			Known:    func(k plan.Key) (plan.Grant, bool) { return grant, k == key },
		},
		System: System{Timeout: time.Second},
	}

	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}

	items, err := r.Read(t.Context(), []plan.Key{key})
	if err != nil || len(items) != 1 || items[0].Lines[0] != server ||
		!strings.Contains(items[0].Again, "nat-pmp made it; from now on upnp does, as the config says") {
		t.Fatalf("read %+v, %v", items, err)
	}

	change := plan.Change{
		Key:    key,
		Action: plan.Update,
		Renew:  true,
		Before: []string{server},
		After:  []string{server},
		Lease:  time.Hour,
	}

	if err := r.Apply(t.Context(), []plan.Change{change}, func(c plan.Change, _ error) {
		grant = *c.Grant
	}); err != nil {
		t.Fatal(err)
	}

	if len(box.Mapped()) != 0 || len(d.Mappings()) != 1 || grant.State != "upnp" {
		t.Errorf("by nat-pmp %v, by upnp %v, granted %+v", box.Mapped(), d.Mappings(), grant)
	}
}

// The former protocol does not answer: what is wanted is made by the new one, and it is said that
// the former may stay; what is not wanted is not taken for gone.
func TestChangeOverInSilence(t *testing.T) {
	d := device1(t, igd.Config{})
	o := recorded(Options{
		Selection: Selection{
			URL:     d.URL(),
			Gateway: netip.MustParseAddr("127.99.99.99"),
		},
		Owner:  Owner{Site: "nomeazienda"},
		System: System{Timeout: time.Second},
	},
		"nat-pmp to 127.0.0.1:25 by 127.99.99.99 epoch 1000", time.Hour, time.Now())

	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}

	items, err := r.Read(t.Context(), o.Recorded)
	if err != nil || len(items) != 1 || items[0].Lines != nil || items[0].Unreadable != "" ||
		!strings.Contains(items[0].Again, "nat-pmp does not answer now") ||
		!strings.Contains(items[0].Again, "its forwards may remain in the router") {
		t.Fatalf("read %+v, %v", items, err)
	}

	if err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", server)},
		func(plan.Change, error) {}); err != nil || len(d.Mappings()) != 1 {
		t.Errorf("%v, mapped %v", err, d.Mappings())
	}
}

// PCP announces itself and refuses every mapping, NAT-PMP works: auto goes over to that.
func TestFallsBackToPMP(t *testing.T) {
	for _, code := range []byte{codeNotAuthorised, codeNoResources} {
		box, o := both(t, func(string) []string { return nil })
		box.Set(func(s *nattest.State) { s.NoMap = code })
		o.Recorded = nil
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}

		if r.Protocol() != "pcp" {
			t.Fatalf("protocol %s: %s", r.Protocol(), r.ChoiceReason())
		}

		var states []string
		err = r.Apply(t.Context(), []plan.Change{creation("tcp/25", "127.0.0.1:25"),
			creation("tcp/110", "127.0.0.1:110")}, func(c plan.Change, err error) {
			if err == nil {
				states = append(states, c.Grant.State)
			}
		})

		if err != nil || len(states) != 2 || !strings.HasPrefix(states[0], "nat-pmp ") ||
			r.Protocol() != "nat-pmp" {
			t.Errorf("code %d: %v, granted %q", code, err, states)
		}

		has(t, "why", r.ChoiceReason(), "nat-pmp, as pcp refuses every mapping")
	}
}

// A grant that is dated in the future tells nothing: it is asked for again, and taken away when it
// is not wanted. One whose time is over is gone.
func TestGrantFromTheFuture(t *testing.T) {
	box := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	known := map[plan.Key]plan.Grant{key: {Lifetime: time.Hour, At: time.Now().AddDate(1, 0, 0), State: "nat-pmp to 127.0.0.1:25 by " + box.Addr.String() + " epoch 900"}}
	r := openPMPAt(t, box, known, time.Now)
	items, err := r.Read(t.Context(), []plan.Key{key})
	if err != nil || len(items) != 1 || !items[0].Unverified ||
		!strings.Contains(items[0].Again, "in the future: the clock was wrong") {
		t.Fatalf("read %+v, %v", items, err)
	}

	change := plan.Change{
		Key:    key,
		Action: plan.Update,
		Renew:  true,
		Before: []string{server},
		After:  []string{server},
		Lease:  time.Hour,
	}

	var grant plan.Grant
	if err := r.Apply(t.Context(), []plan.Change{change}, func(c plan.Change, _ error) {
		grant = *c.Grant
	}); err != nil {
		t.Fatal(err)
	}

	if grant.At.After(time.Now()) || len(box.Mapped()) != 1 {
		t.Errorf("granted %+v, mapped %v", grant, box.Mapped())
	}
}

// An epoch that does not move is told from a restart by asking once more.
func TestEpochStandsStill(t *testing.T) {
	box := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	known := map[plan.Key]plan.Grant{key: {Lifetime: time.Hour, At: time.Now().Add(-10 * time.Minute), State: "nat-pmp to 127.0.0.1:25 by " + box.Addr.String() + " epoch 1000"}}
	r := openPMPAt(t, box, known, time.Now)
	items, err := r.Read(t.Context(), []plan.Key{key})
	if err != nil || len(items) != 1 || !r.EpochStandsStill(key) {
		t.Errorf("still: read %+v, %v, %v", items, err, r.EpochStandsStill(key))
	}

	epoch := uint32(1000)
	box.Set(func(s *nattest.State) {
		s.Script = func(_, answer []byte) [][]byte { return [][]byte{answer} }
		s.Epoch = epoch
		s.Deaf = func([]byte) bool { s.Epoch++; return false }
	})

	r = openPMPAt(t, box, known, time.Now)
	box.Set(func(s *nattest.State) {
		s.Epoch = 999
	}) // the next question is answered with 1000

	items, err = r.Read(t.Context(), []plan.Key{key})
	if err != nil || len(items) != 0 || r.EpochStandsStill(key) {
		t.Errorf("restarted just as long ago: read %+v, %v", items, err)
	}
}

// An epoch that counts something else than seconds says nothing of a restart, by PCP, which takes
// one that runs ahead for another router; one that goes back does all the same.
func TestEpochRaces(t *testing.T) {
	box := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	state := grantState{
		protocol: "pcp",
		to: forward.Target{
			Host: "127.0.0.1",
			Port: 25,
		},
		gateway: box.Addr,
		epoch:   1000,
		nonce:   pcpNonce{1},
	}.String()

	began := time.Now()
	box.Set(func(s *nattest.State) {
		s.Epoch = 601000
		s.Script = func(_, answer []byte) [][]byte { return [][]byte{answer} }
		s.Deaf = func([]byte) bool {
			s.Epoch = 601000 + uint32(time.Since(began).Milliseconds())
			return false
		}
	})

	read := func() (*pcp, []forward.Mapping) {
		p := openPCPAt(t, box, nil)
		p.earlier = func(k plan.Key) (plan.Grant, bool) {
			return plan.Grant{
				Lifetime: time.Hour,
				At:       time.Now().Add(-10 * time.Minute),
				State:    state,
			}, k == key
		}

		found, err := p.Read(t.Context(), []forward.Port{{Proto: "tcp", Number: 25}})
		if err != nil {
			t.Fatal(err)
		}

		return p, found
	}

	if p, found := read(); len(found) != 1 || !p.standsStill() {
		t.Errorf("it races: %+v, %v", found, p.standsStill())
	}

	box.Set(func(s *nattest.State) {
		s.Deaf = nil
		s.Epoch = 12
	})

	if _, found := read(); len(found) != 0 {
		t.Errorf("restarted: %+v", found)
	}
}

// A process that is killed before a grant came back leaves the nonce in the ledger: the next one
// can end the mapping.
func TestPreparedNonce(t *testing.T) {
	box := nattest.Start(t)
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	open := func(known map[plan.Key]plan.Grant) *Router {
		t.Helper()
		r, err := Open(t.Context(), Options{
			Protocol:  "pcp",
			Selection: Selection{Gateway: box.Addr},
			System:    System{Timeout: time.Second},
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

	change := creation("tcp/25", "127.0.0.1:25")
	known := map[plan.Key]plan.Grant{}
	first := open(known)
	if _, err := first.Read(t.Context(), []plan.Key{key}); err != nil {
		t.Fatal(err)
	}

	known[key] = *first.Prepare(change)
	if err := first.Apply(t.Context(), []plan.Change{change},
		func(plan.Change, error) {}); err != nil {
		t.Fatal(err) // and here it is killed
	}

	next := open(known)
	if err := next.Apply(t.Context(), []plan.Change{deletion("tcp/25", "127.0.0.1:25")},
		func(plan.Change, error) {}); err != nil || len(box.Mapped()) != 0 {
		t.Errorf("%v, mapped %v", err, box.Mapped())
	}
}

// What is not there can be taken away by PCP, whatever the router says of it.
func TestPCPRemovesWhatIsGone(t *testing.T) {
	box := nattest.Start(t)
	p := openPCPAt(t, box, nil)
	if err := p.Add(t.Context(), forward.Port{
		Proto:  "tcp",
		Number: 25,
	}, forward.Target{
		Host: "127.0.0.1",
		Port: 25,
	}, time.Hour); err != nil {
		t.Fatal(err)
	}

	refuse := func(code byte) {
		box.Set(func(s *nattest.State) {
			s.Script = func(_, answer []byte) [][]byte {
				refused := append([]byte{}, answer...)
				refused[nattest.PCPResult] = code
				return [][]byte{refused}
			}
		})
	}

	refuse(codeNotAuthorised)
	if err := p.Remove(t.Context(), forward.Port{
		Proto:  "tcp",
		Number: 25,
	}, forward.Target{
		Host: "127.0.0.1",
		Port: 25,
	}); !errors.Is(err, ErrRefused) {
		t.Errorf("refused with 2: %v", err)
	}

	refuse(codeNoResources)
	if err := p.Remove(t.Context(), forward.Port{
		Proto:  "tcp",
		Number: 25,
	}, forward.Target{
		Host: "127.0.0.1",
		Port: 25,
	}); err != nil {
		t.Errorf("refused with 8: %v", err)
	}
}

// WAN tells a connection that is down from a router behind another one.
func TestWANDown(t *testing.T) {
	d := device1(t, igd.Config{})
	r := openURL(t, d)
	for _, c := range []struct {
		address, status string
		is              error
	}{
		{"0.0.0.0", "Connected", ErrWANDown}, {"", "Disconnected", ErrWANDown},
		{"", "Connecting", ErrWANDown},
		{"", "Connected", ErrDoubleNAT}, {"", "Up", ErrDoubleNAT},
		{"10.1.1.1", "Connected", ErrDoubleNAT},
	} {
		d.Inject(func(call igd.Call) igd.Fault {
			switch call.Action {
			case "GetExternalIPAddress":
				return igd.Fault{Body: soapAnswerOf(call.Action, "NewExternalIPAddress",
					c.address)}
			case "GetStatusInfo":
				return igd.Fault{Body: strings.Replace(soapAnswerOf(call.Action,
					"NewConnectionStatus", c.status), "</NewConnectionStatus>",
					"</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>1</NewUptime>", 1)}
			}

			return igd.Fault{}
		})

		_, err := r.WAN(context.Background())
		if !errors.Is(err, c.is) || errors.Is(err, ErrDoubleNAT) != (c.is == ErrDoubleNAT) {
			t.Errorf("%q, %s: %v, want %v", c.address, c.status, err, c.is)
		}
	}
}

func soapAnswerOf(action, name, value string) string {
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:` +
		action + `Response xmlns:u="x"><` + name + ">" + value + "</" + name + `></u:` +
		action + `Response></s:Body></s:Envelope>`
}
