package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

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
	n := note{"nat-pmp", target{host: "10.10.10.10", port: 25}, netip.MustParseAddr("10.10.10.1"), 4711, pcpNonce{}}
	withNonce := n
	withNonce.protocol, withNonce.nonce = "pcp", pcpNonce{1}
	for _, n := range []note{n, withNonce} {
		if got, ok := parseNote(n.String()); !ok || got != n {
			t.Errorf("%q is %v, %v", n, got, ok)
		}
	}
	for _, bad := range []string{"", "upnp", "nat-pmp to x by y epoch 1", "nat-pmp to 10.10.10.10:25 by 10.10.10.1 epoch -1", "nat-pmp to 10.10.10.10:25 by 10.10.10.1",
		"pcp to 10.10.10.10:25 by 10.10.10.1 epoch 1", "pcp to 10.10.10.10:25 by 10.10.10.1 epoch 1 nonce 00ff",
		"nat-pmp to 10.10.10.10:25 by 10.10.10.1 epoch 1 nonce 0102030405060708090a0b0c"} {
		if got, ok := parseNote(bad); ok {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}

// fakePMP is a scripted NAT-PMP router on an address of its own on loopback.
type fakePMP struct {
	addr netip.Addr

	mu     sync.Mutex
	epoch  uint32
	result uint16            // of every answer
	offer  map[uint16]uint16 // ports granted instead of others
	mute   func(op byte) bool
	reply  []byte            // sent instead of an answer
	mapped map[uint16]uint16 // inside to outside
}

func newFakePMP(t *testing.T) *fakePMP {
	t.Helper()
	// The protocol has one port, so each router needs an address. Linux has all of
	// 127/8 on loopback.
	if runtime.GOOS != "linux" {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("needs Linux for many loopback addresses")
		}
		t.Skip("left out: needs Linux for many loopback addresses")
	}
	f := &fakePMP{epoch: 1000, mapped: map[uint16]uint16{}, offer: map[uint16]uint16{}}
	f.addr = netip.AddrFrom4([4]byte{127, 77, byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	s, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.addr, 5351)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 64)
		for {
			n, from, err := s.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer := f.answer(buf[:n]); answer != nil {
				_, _ = s.WriteToUDPAddrPort(answer, from)
			}
		}
	})
	t.Cleanup(func() { s.Close(); wg.Wait() })
	return f
}

// answer plays the server's side of RFC 6886 sections 3.2 to 3.4.
func (f *fakePMP) answer(req []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute != nil && f.mute(req[1]) {
		return nil
	}
	if f.reply != nil {
		return f.reply
	}
	out := []byte{0, req[1] | 0x80}
	out = binary.BigEndian.AppendUint16(out, f.result)
	out = binary.BigEndian.AppendUint32(out, f.epoch)
	if req[1] == 0 {
		return append(out, 2, 2, 2, 2)
	}
	inside, outside := binary.BigEndian.Uint16(req[4:]), binary.BigEndian.Uint16(req[6:])
	lifetime := binary.BigEndian.Uint32(req[8:])
	if other, ok := f.offer[outside]; ok {
		outside = other
	}
	if lifetime == 0 {
		delete(f.mapped, inside)
		outside = 0
	} else if f.result == 0 {
		f.mapped[inside] = outside
	}
	out = binary.BigEndian.AppendUint16(out, inside)
	out = binary.BigEndian.AppendUint16(out, outside)
	return binary.BigEndian.AppendUint32(out, lifetime)
}

func (f *fakePMP) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakePMP) left() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(f.mapped), "map")
}

// openPMPAt opens the router; the address of this machine is then the router's own, as
// happens on loopback.
func openPMPAt(t *testing.T, f *fakePMP, known map[plan.Key]plan.Grant, now func() time.Time) *Router {
	t.Helper()
	r, err := Open(t.Context(), Options{Protocol: "nat-pmp", Gateway: f.addr, Timeout: time.Second, Now: now,
		Known: func(k plan.Key) (plan.Grant, bool) { g, ok := known[k]; return g, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPMPFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  func(f *fakePMP)
		before []plan.Change // applied while the router is well
		apply  func(host string) plan.Change
		is     error
		parts  []string
		left   string
	}{
		{name: "none", left: "[25:25]"},
		{name: "no answer to a mapping", is: errNoAnswer, parts: []string{"whether tcp/25 is mapped now is not known"}, left: "[]",
			fault: func(f *fakePMP) { f.mute = func(op byte) bool { return op != 0 } }},
		{name: "refused", is: ErrDoubleNAT, parts: []string{"can't be read"}, left: "[]", fault: func(f *fakePMP) { f.result = 3 }},
		{name: "not authorised", is: ErrRefused, left: "[]", fault: func(f *fakePMP) { f.result = 2 }},
		{name: "out of resources", is: ErrRefused, left: "[]", fault: func(f *fakePMP) { f.result = 4 }},
		{name: "a code nobody knows", is: errAny, parts: []string{"77"}, left: "[]", fault: func(f *fakePMP) { f.result = 77 }},
		{name: "cut short", is: errNoAnswer, left: "[]", fault: func(f *fakePMP) { f.reply = []byte{0, 128, 0} }},
		{name: "PCP alone", is: errNoAnswer, parts: []string{"version 2"}, left: "[]", fault: func(f *fakePMP) { f.reply = []byte{2, 128, 0, 1, 0, 0, 0, 0} }},
		{name: "a neighbour port", is: ErrRefused, parts: []string{"the router offers tcp/1024 instead"}, left: "[]",
			fault: func(f *fakePMP) { f.offer[25] = 1024 }},
		{name: "another host", is: ErrOtherHost, left: "[]", apply: func(string) plan.Change { return creation("tcp/25", "10.10.10.20:25") }},
		{name: "disabled", is: errAny, parts: []string{"no disabled mappings"}, left: "[]",
			apply: func(host string) plan.Change { return creation("tcp/25", host+":25 disabled") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFakePMP(t)
			r := openPMPAt(t, f, nil, nil)
			host := r.device.(*pmp).local.String()
			c := creation("tcp/25", host+":25")
			if test.apply != nil {
				c = test.apply(host)
			}
			if test.fault != nil {
				f.set(func() { test.fault(f) })
			}
			reported := 0
			err := r.Apply(t.Context(), []plan.Change{c}, func(plan.Change, error) { reported++ })
			if reported != 1 || f.left() != test.left {
				t.Errorf("%d reported, left %s, want %s", reported, f.left(), test.left)
			}
			switch {
			case test.is == nil && err != nil, test.is != nil && err == nil:
				t.Fatalf("got %v, want %v", err, test.is)
			case test.is != nil && test.is != errAny && !errors.Is(err, test.is):
				t.Fatalf("got %v, want %v", err, test.is)
			case err != nil:
				has(t, "error", err.Error(), test.parts...)
			}
		})
	}
}

// A grant that the answer got lost of is given back.
func TestPMPLostAnswer(t *testing.T) {
	f := newFakePMP(t)
	r := openPMPAt(t, f, nil, nil)
	adds := 0
	f.set(func() {
		f.mute = func(op byte) bool {
			if op == 0 {
				return false
			}
			adds++
			if adds <= 3 { // those of one request: after 0, 250 and 750 ms
				f.mapped[25] = 25
				return true
			}
			return false
		}
	})
	to := r.device.(*pmp).local.String() + ":25"
	err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", to)}, func(plan.Change, error) {})
	if !errors.Is(err, errNoAnswer) || f.left() != "[]" {
		t.Errorf("got %v, left %s", err, f.left())
	}
}

// Two ports outside can't lead to one inside, and trying it does not cost the first.
func TestPMPOnePortInside(t *testing.T) {
	f := newFakePMP(t)
	r := openPMPAt(t, f, nil, nil)
	to := r.device.(*pmp).local.String() + ":25"
	f.set(func() { f.offer[2525] = 25 })
	err := r.Apply(t.Context(), []plan.Change{creation("tcp/25", to), creation("tcp/2525", to)}, func(plan.Change, error) {})
	if !errors.Is(err, ErrConflict) || f.left() != "[25:25]" {
		t.Errorf("got %v, left %s", err, f.left())
	}
	has(t, "error", err.Error(), "tcp/2525", "tcp/25 leads to "+to+" already")
}

// What was granted is there until its time is over or the router's epoch went back,
// and only at the router that granted it.
func TestPMPKnown(t *testing.T) {
	f := newFakePMP(t)
	key := plan.Key{Kind: Kind, Name: "tcp/25"}
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	to := target{host: "127.0.0.1", port: 25}
	state := note{"nat-pmp", to, f.addr, 1000, pcpNonce{}}.String()
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
		{"another router", note{"nat-pmp", to, netip.MustParseAddr("10.10.10.1"), 1000, pcpNonce{}}.String(), 0, 1000, false},
		{"another protocol", "upnp", 0, 1000, false},
	} {
		f.set(func() { f.epoch = test.epoch })
		known := map[plan.Key]plan.Grant{key: {Lifetime: time.Hour, At: start, State: test.state}}
		r := openPMPAt(t, f, known, func() time.Time { return start.Add(test.after) })
		items, err := r.Read(t.Context(), []plan.Key{key, {Kind: Kind, Name: "tcp/110"}})
		if err != nil {
			t.Fatal(err)
		}
		if (len(items) == 1) != test.there {
			t.Errorf("%s: read %v", test.name, items)
		} else if test.there && (items[0].Lines[0] != "127.0.0.1:25" || !items[0].Expires.Equal(start.Add(time.Hour)) || items[0].Marked) {
			t.Errorf("%s: read %+v", test.name, items[0])
		}
	}
}

// A request without a lease asks for two hours: zero would delete.
func TestPMPLease(t *testing.T) {
	f := newFakePMP(t)
	r := openPMPAt(t, f, nil, nil)
	c := creation("tcp/25", r.device.(*pmp).local.String()+":25")
	c.Lease = 0
	err := r.Apply(t.Context(), []plan.Change{c}, func(c plan.Change, _ error) {
		if c.Grant == nil || c.Grant.Lifetime != 2*time.Hour {
			t.Errorf("granted %+v", c.Grant)
		}
	})
	if err != nil || f.left() != "[25:25]" {
		t.Errorf("got %v, left %s", err, f.left())
	}
}
