package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// pcpServer answers each request on loopback with what script returns: datagrams, in
// their order; none is silence.
func pcpServer(t *testing.T, script func(request []byte) [][]byte) *pcp {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, answer := range script(append([]byte{}, buf[:n]...)) {
				conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	none := func(plan.Key) (plan.Grant, bool) { return plan.Grant{}, false }
	return &pcp{grants: newGrants("pcp", at.Addr(), Options{Known: none, Now: time.Now}), server: at, timeout: 700 * time.Millisecond}
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

func with(b []byte, edit func([]byte)) []byte {
	b = append([]byte{}, b...)
	edit(b)
	return b
}

func code(n byte) func([]byte) { return func(b []byte) { b[3] = n } }

func externalPort(n uint16) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint16(b[headerSize+18:], n) }
}

func externalAddr(a string) func([]byte) {
	return func(b []byte) {
		ip := netip.MustParseAddr(a).As16()
		copy(b[headerSize+20:], ip[:])
	}
}

// TestPCPFaults says what is made of each answer to a request for tcp/25, and what is
// sent because of it.
func TestPCPFaults(t *testing.T) {
	one := func(b []byte) [][]byte { return [][]byte{b} }
	for _, c := range []struct {
		name    string
		answer  func(request []byte, n int) [][]byte // to the nth request that is no delete
		is      error
		says    string
		deletes int // requests to give back
	}{
		{name: "granted", answer: func(r []byte, _ int) [][]byte { return one(reply(r)) }},
		{name: "the first request is lost", answer: func(r []byte, n int) [][]byte {
			if n == 1 {
				return nil
			}
			return one(reply(r))
		}},
		{name: "answered twice", answer: func(r []byte, _ int) [][]byte { return [][]byte{reply(r), reply(r)} }},
		{name: "an answer with another nonce comes first", answer: func(r []byte, _ int) [][]byte {
			return [][]byte{with(reply(r), func(b []byte) { b[headerSize]++ }), reply(r)}
		}},
		{name: "an answer for another port comes first", answer: func(r []byte, _ int) [][]byte {
			return [][]byte{with(reply(r), func(b []byte) { b[headerSize+17]++ }), reply(r)}
		}},
		{name: "an answer to something else comes first", answer: func(r []byte, _ int) [][]byte {
			return [][]byte{reply(announceRequest(netip.MustParseAddr("127.0.0.1"))), reply(r)}
		}},
		{name: "garbage comes first", answer: func(r []byte, _ int) [][]byte {
			return [][]byte{{}, {2}, []byte("hello"), reply(r)[:headerSize+8], append(reply(r), 0), reply(r)}
		}},
		{name: "a request is echoed", answer: func(r []byte, _ int) [][]byte { return one(r) }, is: errNoAnswer, deletes: 1},
		{name: "an endless datagram", answer: func(r []byte, _ int) [][]byte { return one(append(reply(r), make([]byte, 1200)...)) }, is: errNoAnswer, deletes: 1},
		{name: "silence", answer: func([]byte, int) [][]byte { return nil }, is: errNoAnswer, says: "within", deletes: 1},
		{name: "NAT-PMP alone", answer: func([]byte, int) [][]byte { return one([]byte{0, 0x80, 0, 1, 0, 0, 0, 9}) }, says: `1 "unsupported version"`},
		{name: "unsupported version", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(1))) }, says: `1 "unsupported version"`},
		{name: "not authorised", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(2))) }, is: ErrRefused, says: "not authorised"},
		{name: "malformed request", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(3))) }, says: "malformed request"},
		{name: "unsupported option", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(5))) }, says: "unsupported option"},
		{name: "out of resources", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(8))) }, is: ErrRefused, says: "out of resources"},
		{name: "no public address, and which", answer: func(r []byte, _ int) [][]byte {
			return one(with(with(reply(r), code(8)), externalAddr("100.64.0.2")))
		}, is: ErrDoubleNAT, says: "100.64.0.2"},
		{name: "over the quota", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(10))) }, is: ErrRefused, says: "quota"},
		{name: "the port is not to be had", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(11))) }, is: ErrRefused, says: "not to be had"},
		{name: "another NAT on the way", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(12))) }, is: ErrDoubleNAT, says: "another NAT"},
		{name: "a code that nobody knows", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), code(99))) }, says: `99 "no known reason"`},
		{name: "a neighbour port", answer: func(r []byte, _ int) [][]byte { return one(with(reply(r), externalPort(26))) },
			is: ErrRefused, says: "offers tcp/26 instead", deletes: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan []byte, 32)
			n := 0
			p := pcpServer(t, func(r []byte) [][]byte {
				asked <- r
				if binary.BigEndian.Uint32(r[4:]) == 0 {
					return one(reply(r))
				}
				n++
				return c.answer(r, n)
			})
			q := port{"tcp", 25}
			err := p.add(t.Context(), q, target{host: "127.0.0.1", port: 2525}, time.Hour)
			if good := c.is == nil && c.says == ""; good != (err == nil) {
				t.Fatalf("error %v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v and %q in it", err, c.is, c.says)
			}
			if _, granted := p.made[q]; granted != (err == nil) {
				t.Errorf("granted: %v", granted)
			}
			deletes := 0
			for len(asked) > 0 {
				if r := <-asked; binary.BigEndian.Uint32(r[4:]) == 0 {
					deletes++
				}
			}
			if deletes != c.deletes {
				t.Errorf("%d requests to give back, want %d", deletes, c.deletes)
			}
		})
	}
}

// A renewal and a delete carry the nonce of the first request, also in a later run.
func TestPCPNonce(t *testing.T) {
	asked := make(chan string, 10)
	script := func(r []byte) [][]byte {
		if r[1] == opMap {
			asked <- string(r[headerSize : headerSize+12])
		}
		return [][]byte{reply(r)}
	}
	first := pcpServer(t, script)
	q, to := port{"tcp", 25}, target{host: "127.0.0.1", port: 25}
	if err := first.add(t.Context(), q, to, time.Hour); err != nil {
		t.Fatal(err)
	}
	later := pcpServer(t, script)
	later.gateway, later.server = first.gateway, first.server
	later.earlier = func(k plan.Key) (plan.Grant, bool) { return first.made[q], k == q.key() }
	found, err := later.read(t.Context(), []port{q, {"tcp", 26}})
	if err != nil || len(found) != 1 || found[0].to != to || found[0].grant.Lifetime != time.Hour {
		t.Fatalf("a later run reads %+v, %v", found, err)
	}
	if err := later.add(t.Context(), q, to, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := later.remove(t.Context(), q, to); err != nil {
		t.Fatal(err)
	}
	var nonces []string
	for len(asked) > 0 {
		nonces = append(nonces, <-asked)
	}
	if len(nonces) != 3 || nonces[0] != nonces[1] || nonces[1] != nonces[2] || nonces[0] == strings.Repeat("\x00", 12) {
		t.Errorf("nonces %x", nonces)
	}
	if found, err := later.read(t.Context(), []port{q}); err != nil || len(found) != 0 {
		t.Errorf("after the delete: %+v, %v", found, err)
	}
}

// What was granted is gone when the router has restarted, when its time is over, and
// when it was another router's.
func TestPCPForgets(t *testing.T) {
	p := pcpServer(t, func(r []byte) [][]byte { return [][]byte{reply(r)} }) // epoch 1000
	state := func(gateway string, epoch uint32) string {
		return note{"pcp", target{host: "127.0.0.1", port: 25}, netip.MustParseAddr(gateway), epoch, pcpNonce{1}}.String()
	}
	for name, c := range map[string]struct {
		g    plan.Grant
		want int
	}{
		"it lasts":        {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state("127.0.0.1", 999)}, 1},
		"restarted":       {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state("127.0.0.1", 2000)}, 0},
		"its time is up":  {plan.Grant{Lifetime: time.Minute, At: time.Now().Add(-2 * time.Minute), State: state("127.0.0.1", 900)}, 0},
		"another router":  {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: state("127.0.0.2", 999)}, 0},
		"of NAT-PMP":      {plan.Grant{Lifetime: time.Hour, At: time.Now(), State: "nat-pmp to 127.0.0.1:25 by 127.0.0.1 epoch 999"}, 0},
		"no state at all": {plan.Grant{Lifetime: time.Hour, At: time.Now()}, 0},
	} {
		p.earlier = func(plan.Key) (plan.Grant, bool) { return c.g, true }
		if found, err := p.read(t.Context(), []port{{"tcp", 25}}); err != nil || len(found) != c.want {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// The WAN address is learnt by a mapping that is given back at once.
func TestPCPAddress(t *testing.T) {
	asked := make(chan uint32, 10)
	p := pcpServer(t, func(r []byte) [][]byte {
		asked <- binary.BigEndian.Uint32(r[4:])
		return [][]byte{reply(r)}
	})
	for range 2 {
		if a, err := p.wan(t.Context()); err != nil || a != netip.MustParseAddr("2.2.2.2") {
			t.Errorf("WAN address %v, %v", a, err)
		}
	}
	if len(asked) != 2 || <-asked != 120 || <-asked != 0 {
		t.Error("want one request for two minutes, and its end")
	}
}

func TestPCPCancelled(t *testing.T) {
	p := pcpServer(t, func([]byte) [][]byte { return nil })
	p.timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.announce(ctx); !errors.Is(err, errNoAnswer) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecodePCP(f *testing.F) {
	m := mapRequest{client: netip.MustParseAddr("10.10.10.10"), proto: "tcp", internal: 25, external: 25,
		suggest: netip.IPv4Unspecified(), lifetime: time.Hour}
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
