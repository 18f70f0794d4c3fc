package nattest_test

import (
	"encoding/binary"
	"net/netip"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/nattest"
)

func pmpFaults() []fault {
	state := func(change func(*nattest.State)) func(*routers) {
		return func(r *routers) { r.box.Set(change) }
	}

	result := func(n byte) func(*routers) {
		return state(func(s *nattest.State) { s.Result = n })
	}

	mapping := func(q []byte) bool { return q[1] != 0 }
	script := func(f func(q, a []byte) [][]byte) func(*routers) {
		return state(func(s *nattest.State) { s.Script = f })
	}

	return []fault{
		{name: "none"},
		{name: "silence from the start", early: true, bend: state(func(s *nattest.State) { s.Deaf = func([]byte) bool { return true } }), is: nat.ErrNoRouter, says: []string{"no usable answer"}},
		{name: "it speaks PCP alone", early: true, bend: state(func(s *nattest.State) { s.NoPMP = true }), is: nat.ErrNoRouter, says: []string{"version 2"}},
		{name: "the request is lost", bend: state(func(s *nattest.State) { s.Deaf = mapping }), is: errAny, says: []string{"whether tcp/25 is mapped now is not known"}},
		{name: "the answer is lost", bend: script(func() func(q, a []byte) [][]byte {
			lost := 0
			return func(q, a []byte) [][]byte {
				if mapping(q) && binary.BigEndian.Uint32(q[8:]) > 0 {
					lost++
					return nil
				}
				return [][]byte{a}
			}
		}()), is: errAny, says: []string{"no usable answer"}},
		{name: "no public address (3)", bend: result(3), is: nat.ErrDoubleNAT, says: []string{"network failure"}},
		{name: "not authorised (2)", bend: result(2), is: nat.ErrRefused, says: []string{"not authorised"}},
		{name: "out of resources (4)", bend: result(4), is: nat.ErrRefused, says: []string{"out of resources"}},
		{name: "a code nobody knows", bend: result(77), is: errAny, says: []string{"77"}},
		{name: "a neighbour port", bend: state(func(s *nattest.State) { s.Offer = map[uint16]uint16{25: 1024} }), is: nat.ErrRefused, says: []string{"the router offered tcp/1024"}},
		{name: "answers cut short", bend: script(func(_, a []byte) [][]byte { return [][]byte{a[:3]} }), is: errAny, says: []string{"no usable answer"}},
		{name: "answers for another port", bend: script(func(q, a []byte) [][]byte {
			if len(a) > 12 {
				a[9]++
			}
			return [][]byte{a}
		}), is: errAny, says: []string{"answers for port 26 inside, was asked for 25"}},
		{name: "it grants no time at all", bend: script(func(q, a []byte) [][]byte {
			if mapping(q) && len(a) >= 16 {
				binary.BigEndian.PutUint32(a[12:], 0)
			}
			return [][]byte{a}
		}), is: nat.ErrRefused, says: []string{"for no time at all"}},
		{name: "each answer comes twice", bend: script(func(_, a []byte) [][]byte { return [][]byte{a, a} })},
		{name: "the first requests are lost", bend: state(func(s *nattest.State) {
			lost := 0
			s.Deaf = func([]byte) bool { lost++; return lost%2 == 1 }
		})},
		{name: "a mapping to another host", to: "10.10.10.20:25", is: nat.ErrOtherHost, says: []string{"run mailpub on 10.10.10.20 itself"}},
	}
}

func pcpFaults() []fault {
	state := func(change func(*nattest.State)) func(*routers) {
		return func(r *routers) { r.box.Set(change) }
	}

	script := func(f func(q, a []byte) [][]byte) func(*routers) {
		return state(func(s *nattest.State) { s.Script = f })
	}

	put := func(q []byte) bool { return q[1] == 1 && binary.BigEndian.Uint32(q[4:]) > 0 }
	// refuse does nothing at all.
	refuse := func(n byte, outside string) func(*routers) {
		return func(r *routers) {
			r.box.Set(func(s *nattest.State) {
				s.Deaf = nil
				s.Result = n
				s.External = netip.MustParseAddr(outside)
				s.Script = func(q, a []byte) [][]byte {
					if q[1] == 0 {
						a[nattest.PCPResult] = 0
					}
					return [][]byte{a}
				}
			})
		}
	}

	first := func(alien func(a []byte) []byte) func(*routers) {
		return script(func(q, a []byte) [][]byte {
			if !put(q) {
				return [][]byte{a}
			}
			return [][]byte{alien(append([]byte{}, a...)), a}
		})
	}

	return []fault{
		{name: "none"},
		{name: "silence from the start", early: true, bend: state(func(s *nattest.State) { s.Deaf = func([]byte) bool { return true } }), is: nat.ErrNoRouter, says: []string{"no usable answer"}},
		{name: "it speaks NAT-PMP alone (1)", early: true, bend: state(func(s *nattest.State) { s.NoPCP = true }), is: nat.ErrNoRouter, says: []string{"unsupported version"}},
		{name: "the first request is lost", bend: state(func(s *nattest.State) {
			lost := false
			s.Deaf = func(q []byte) bool {
				was := lost
				lost = lost || put(q)
				return put(q) && !was
			}
		})},
		{name: "the answer is lost", bend: script(func(q, a []byte) [][]byte {
			if put(q) {
				return nil
			}
			return [][]byte{a}
		}), is: errAny, says: []string{"no usable answer within"}},
		{name: "answers twice", bend: script(func(_, a []byte) [][]byte { return [][]byte{a, a} })},
		{name: "an answer with another nonce comes first", bend: first(func(a []byte) []byte { a[nattest.PCPNonce]++; return a })},
		{name: "an answer for another port comes first", bend: first(func(a []byte) []byte { a[nattest.PCPInternal+1]++; return a })},
		{name: "an answer to something else comes first", bend: first(func(a []byte) []byte { a[1] = 0x80; return a[:24] })},
		{name: "garbage comes first", bend: first(func([]byte) []byte { return []byte("hello") })},
		{name: "a truncated answer comes first", bend: first(func(a []byte) []byte { return a[:32] })},
		{name: "an empty datagram comes first", bend: first(func([]byte) []byte { return nil })},
		{name: "it echoes", bend: script(func(q, a []byte) [][]byte {
			if put(q) {
				return [][]byte{q}
			}
			return [][]byte{a}
		}), is: errAny, says: []string{"no usable answer"}},
		{name: "an endless datagram", bend: script(func(q, a []byte) [][]byte {
			if put(q) {
				return [][]byte{append(a, make([]byte, 1200)...)}
			}
			return [][]byte{a}
		}), is: errAny, says: []string{"no usable answer"}},
		{name: "ANNOUNCE is never answered", early: true, bend: state(func(s *nattest.State) { s.Deaf = func(q []byte) bool { return q[1] == 0 } })},
		{name: "ANNOUNCE is no opcode that it knows (4)", early: true, bend: script(func(q, a []byte) [][]byte {
			if q[1] == 0 {
				a[nattest.PCPResult] = 4
			}
			return [][]byte{a}
		})},
		{name: "PREFER_FAILURE is no option that it knows (5)", bend: state(func(s *nattest.State) {
			s.Deaf = func(q []byte) bool { return false }
			s.Script = func(q, a []byte) [][]byte {
				if put(q) && len(q) > 60 {
					a[nattest.PCPResult] = 5
				}
				return [][]byte{a}
			}
		})},
		{name: "it grants no time at all", bend: script(func(q, a []byte) [][]byte {
			if put(q) {
				binary.BigEndian.PutUint32(a[4:], 0)
			}
			return [][]byte{a}
		}), is: nat.ErrRefused, says: []string{"for no time at all"}},
		{name: "not authorised (2)", bend: refuse(2, "2.2.2.2"), is: nat.ErrRefused, says: []string{"not authorised"}},
		{name: "malformed request (3)", bend: refuse(3, "2.2.2.2"), is: errAny, says: []string{"malformed request"}},
		{name: "unsupported opcode (4)", bend: refuse(4, "2.2.2.2"), is: errAny, says: []string{"unsupported opcode"}},
		{name: "unsupported option (5)", bend: refuse(5, "2.2.2.2"), is: errAny, says: []string{"unsupported option"}},
		{name: "out of resources (8)", bend: refuse(8, "2.2.2.2"), is: nat.ErrRefused, says: []string{"out of resources"}},
		{name: "behind a provider's NAT (8)", bend: refuse(8, "100.64.0.2"), is: nat.ErrDoubleNAT, says: []string{"100.64.0.2", "carrier-grade NAT"}},
		{name: "behind another router (8)", bend: refuse(8, "192.168.1.2"), is: nat.ErrDoubleNAT, says: []string{"192.168.1.2", "private"}},
		{name: "over the quota (10)", bend: refuse(10, "2.2.2.2"), is: nat.ErrRefused, says: []string{"quota"}},
		{name: "the port is not to be had (11)", bend: refuse(11, "2.2.2.2"), is: nat.ErrRefused, says: []string{"unavailable"}},
		{name: "another NAT on the way (12)", bend: refuse(12, "2.2.2.2"), is: nat.ErrDoubleNAT, says: []string{"another NAT"}},
		{name: "a code nobody knows", bend: refuse(99, "2.2.2.2"), is: errAny, says: []string{"99"}},
		{name: "a neighbour port", bend: state(func(s *nattest.State) { s.Offer = map[uint16]uint16{25: 1024} }), is: nat.ErrRefused, says: []string{"the router offered tcp/1024"}},
		{name: "a mapping to another host", to: "10.10.10.20:25", is: nat.ErrOtherHost, says: []string{"run mailpub on 10.10.10.20 itself"}},
	}
}
