package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

// openPCPAt opens a box by PCP. What is asked of it is handed to seen, unless that is nil.
func openPCPAt(t *testing.T, b *nattest.Box, seen func(request []byte)) *pcp {
	t.Helper()
	r, err := Open(t.Context(), Options{
		Protocol:  "pcp",
		Selection: Selection{Gateway: b.Addr},
		System:    System{Timeout: 700 * time.Millisecond},
	})

	if err != nil {
		t.Fatal(err)
	}

	if seen != nil {
		b.Set(func(s *nattest.State) {
			s.Deaf = func(q []byte) bool { seen(q); return false }
		})
	}

	return r.device.(*pcp)
}

// reply is what a good router answers to a request: what was asked for, from 2.2.2.2.
func reply(request []byte) []byte {
	b := append([]byte{}, request...)
	if b[1] == opMap {
		b = b[:headerSize+mapSize] // without options
		ip := netip.MustParseAddr("2.2.2.2").As16()
		copy(b[headerSize+20:], ip[:])
	}

	b[1] |= pcpReply
	b[3] = 0
	binary.BigEndian.PutUint32(b[8:], 1000) // epoch

	for i := 12; i < headerSize; i++ {
		b[i] = 0
	}

	return b
}

// A renewal and a delete carry the nonce of the first request, also in a later run.
func TestPCPNonce(t *testing.T) {
	asked := make(chan string, 10)
	box := nattest.Start(t)
	seen := func(r []byte) {
		if r[1] == opMap {
			asked <- string(r[nattest.PCPNonce : nattest.PCPNonce+12])
		}
	}

	first := openPCPAt(t, box, seen)
	q := forward.Port{Proto: "tcp", Number: 25}
	to := forward.Target{Host: "127.0.0.1", Port: 25}
	if err := first.Add(t.Context(), q, to, time.Hour); err != nil {
		t.Fatal(err)
	}

	later := openPCPAt(t, box, seen)
	later.earlier = func(k plan.Key) (plan.Grant, bool) {
		return first.made[q], k == q.Key()
	}

	found, err := later.Read(t.Context(), []forward.Port{q, {Proto: "tcp", Number: 26}})
	if err != nil || len(found) != 1 || found[0].To != to ||
		found[0].Grant.Lifetime != time.Hour {
		t.Fatalf("a later run reads %+v, %v", found, err)
	}

	if err := later.Add(t.Context(), q, to, time.Hour); err != nil {
		t.Fatal(err)
	}

	if err := later.Remove(t.Context(), q, to); err != nil {
		t.Fatal(err)
	}

	var nonces []string
	for len(asked) > 0 {
		nonces = append(nonces, <-asked)
	}

	if len(nonces) != 3 || nonces[0] != nonces[1] || nonces[1] != nonces[2] ||
		nonces[0] == strings.Repeat("\x00", 12) {
		t.Errorf("nonces %x", nonces)
	}

	if found, err := later.Read(t.Context(), []forward.Port{q}); err != nil || len(found) != 0 {
		t.Errorf("after the delete: %+v, %v", found, err)
	}
}

// What was granted is gone when the router has restarted, and when its time is over. What another
// router granted: see TestGrantOfAnotherRouter.
func TestPCPForgets(t *testing.T) {
	p := openPCPAt(t, nattest.Start(t), nil) // epoch 1000
	state := func(gateway string, epoch uint32) string {
		return grantState{
			protocol: "pcp",
			to: forward.Target{
				Host: "127.0.0.1",
				Port: 25,
			},
			gateway: netip.MustParseAddr(gateway),
			epoch:   epoch,
			nonce:   pcpNonce{1},
		}.String()
	}

	for name, c := range map[string]struct {
		g    plan.Grant
		want int
	}{
		"it lasts":        {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state(p.gateway.String(), 999)}, 1},
		"ran ahead":       {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state(p.gateway.String(), 10)}, 0},
		"restarted":       {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state(p.gateway.String(), 2000)}, 0},
		"its time is up":  {plan.Grant{Lifetime: time.Minute, At: time.Now().Add(-2 * time.Minute), State: state(p.gateway.String(), 880)}, 0},
		"of NAT-PMP":      {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: "nat-pmp to 127.0.0.1:25 by 127.0.0.1 epoch 999"}, 0},
		"no state at all": {plan.Grant{Lifetime: time.Hour, At: time.Now()}, 0},
	} {
		p.earlier = func(plan.Key) (plan.Grant, bool) { return c.g, true }
		if found, err := p.Read(t.Context(),
			[]forward.Port{{Proto: "tcp", Number: 25}}); err != nil || len(found) != c.want {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

func TestEpochInvalid(t *testing.T) {
	for _, test := range []struct {
		then, now uint32
		elapsed   time.Duration
		want      bool
	}{
		{1000, 1000, 0, false},
		{1000, 999, 0, false}, // back by a second
		{1000, 998, 0, true},
		{1000, 1100, 100 * time.Second, false},
		{1000, 1092, 100 * time.Second, false}, // 93.75 - 2
		{1000, 1091, 100 * time.Second, true},
		{1000, 1108, 100 * time.Second, false}, // 102 is reached by 108.8
		{1000, 1109, 100 * time.Second, true},
		{1000, 0, time.Hour, true},
		{0, 3600, time.Hour, false},
		{1000, 5000, time.Second, true}, // another router, or another clock
	} {
		if got := epochInvalid(test.then, test.now, test.elapsed); got != test.want {
			t.Errorf("from %d to %d in %v: %v", test.then, test.now, test.elapsed, got)
		}
	}
}

// The WAN address is learnt by a mapping that is given back at once.
func TestPCPAddress(t *testing.T) {
	asked := make(chan uint32, 10)
	p := openPCPAt(t, nattest.Start(t), func(r []byte) {
		asked <- binary.BigEndian.Uint32(r[4:])
	})

	for range 2 {
		if a, err := p.WAN(t.Context()); err != nil || a != netip.MustParseAddr("2.2.2.2") {
			t.Errorf("WAN address %v, %v", a, err)
		}
	}

	if len(asked) != 2 || <-asked != 120 || <-asked != 0 {
		t.Error("want one request for two minutes, and its end")
	}
}

func TestPCPCancelled(t *testing.T) {
	box := nattest.Start(t)
	p := openPCPAt(t, box, nil)
	box.Set(func(s *nattest.State) { s.Deaf = func([]byte) bool { return true } })
	p.timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	if _, err := p.announce(ctx); !errors.Is(err, errNoAnswer) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecodePCP(f *testing.F) {
	m := mapRequest{
		client:   netip.MustParseAddr("10.10.10.10"),
		proto:    "tcp",
		internal: 25,
		external: 25,
		suggest:  netip.IPv4Unspecified(),
		lifetime: time.Hour,
	}

	f.Add(reply(m.encode()))
	f.Add(reply(announceRequest(m.client)))
	f.Add([]byte{0, 0x80, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodePCP(b)
		if err != nil {
			return
		}

		if e := a.err(); (e == nil) != (a.code == 0) {
			t.Errorf("code %d is %v", a.code, e)
		}

		a.answers(m.encode())
	})
}
