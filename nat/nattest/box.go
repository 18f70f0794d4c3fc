// Package nattest is a scripted router for tests: NAT-PMP and PCP on a loopback address of
// its own, and answers to searches by UPnP. Together with package igd, which is the UPnP
// router, it does what no real router does on demand. Its test is the table of faults.
//
// It knows nothing of mailpub's side: it reads and writes datagrams by the standards.
package nattest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Port is where NAT-PMP and PCP are spoken (RFC 6886 section 3.1, RFC 6887 section 19.1).
const Port = 5351

// State is how a Box is. Its functions are called one at a time.
type State struct {
	NoPCP, NoPMP bool              // a protocol that it does not speak, which it says
	External     netip.Addr        // its address outside
	Epoch        uint32            // seconds
	Result       byte              // of every answer; anything but 0 and nothing is done
	NoMap        byte              // of every answer to MAP by PCP, as Result
	Offer        map[uint16]uint16 // external ports granted instead of others

	// Deaf loses a request; nothing is done.
	Deaf func(request []byte) bool
	// Script returns what is sent, given a request that has been carried out and its
	// proper answer: datagrams in their order, none for silence.
	Script func(request, answer []byte) [][]byte
}

// Box is a running router. Its methods may be called concurrently.
type Box struct {
	Addr netip.Addr

	mu    sync.Mutex
	state State
	held  map[inside]held
}

type inside struct {
	proto string
	port  uint16
}

type held struct {
	external uint16
	nonce    string // of PCP
}

// Start starts a box that is well, for the time of the test. It needs Linux, which has all
// of 127/8 on loopback: the protocols have one port, so that each box needs an address.
func Start(t testing.TB) *Box {
	t.Helper()
	if runtime.GOOS != "linux" {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("needs Linux for many loopback addresses")
		}
		t.Skip("left out: needs Linux for many loopback addresses")
	}

	b := &Box{
		held: map[inside]held{},
		state: State{
			External: netip.MustParseAddr("2.2.2.2"),
			Epoch:    1000,
		},
	}

	for range 20 { // others take some at random too
		b.Addr = netip.AddrFrom4([4]byte{127, 77, byte(rand.IntN(256)),
			byte(1 + rand.IntN(254))})

		s, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.Addr,
			Port)))

		if err == nil {
			answer(t, s, b.serve)
			return b
		}
	}

	t.Fatal("no loopback address is free")
	return nil
}

// Start6 starts a box on ::1 and a port of its own, which makes pinholes to ::1 by PCP.
func Start6(t testing.TB) (*Box, netip.AddrPort) {
	t.Helper()
	b := &Box{
		Addr: netip.IPv6Loopback(),
		held: map[inside]held{},
		state: State{
			External: netip.IPv6Loopback(),
			Epoch:    1000,
		},
	}

	s, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.Addr, 0)))
	if err != nil {
		t.Fatal(err)
	}

	return b, answer(t, s, b.serve)
}

// answer sends what answers returns for each datagram that comes to s, until the test
// ends. It returns where that is.
func answer(t testing.TB, s *net.UDPConn, answers func(datagram []byte) [][]byte) netip.AddrPort {
	var all sync.WaitGroup
	all.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := s.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, a := range answers(append([]byte{}, buf[:n]...)) {
				_, _ = s.WriteToUDPAddrPort(a, from)
			}
		}
	})

	t.Cleanup(func() { s.Close(); all.Wait() })
	return s.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Set changes how the box is.
func (b *Box) Set(change func(*State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.state)
}

// Mapped returns what is mapped, as "tcp/25 to 25", ordered.
func (b *Box) Mapped() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for in, h := range b.held {
		all = append(all, fmt.Sprintf("%s/%d to %d", in.proto, h.external, in.port))
	}
	slices.Sort(all)
	return all
}

func (b *Box) serve(request []byte) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()

	if len(request) < 2 || b.state.Deaf != nil && b.state.Deaf(request) {
		return nil
	}

	answer := b.answer(request)
	if b.state.Script != nil {
		return b.state.Script(request, answer)
	}
	if answer == nil {
		return nil
	}

	return [][]byte{answer}
}

// grant maps a port, or with no lifetime takes the mapping away. It returns the port that
// was granted; false where it is another's.
func (b *Box) grant(in inside, external uint16, nonce string, lifetime uint32) (uint16, bool) {
	is, there := b.held[in]
	if there && is.nonce != nonce {
		return 0, false // RFC 6887 section 11.3
	}

	if lifetime == 0 {
		delete(b.held, in)
		return 0, true
	}

	if other, ok := b.state.Offer[external]; ok {
		external = other
	}

	b.held[in] = held{external, nonce}
	return external, true
}

// Announce sends datagrams from the box's address, as a router does to a group.
func (b *Box) Announce(t testing.TB, to netip.AddrPort, datagrams ...[]byte) {
	t.Helper()
	s, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.Addr, 0)),
		net.UDPAddrFromAddrPort(to))

	if err != nil {
		t.Fatal(err)
	}

	defer s.Close()

	for _, d := range datagrams {
		if _, err := s.Write(d); err != nil {
			t.Fatal(err)
		}
	}
}

// Responder answers each search with what answers returns for its search target, one
// datagram each, and returns where searches are to be sent.
func Responder(t testing.TB, answers func(st string) []string) netip.AddrPort {
	t.Helper()
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}

	return answer(t, s, func(datagram []byte) (all [][]byte) {
		_, st, _ := strings.Cut(string(datagram), "\nST: ")
		st, _, _ = strings.Cut(st, "\r\n")
		for _, a := range answers(st) {
			all = append(all, []byte(a))
		}
		return all
	})
}

// Answer is an answer to a search (UPnP Device Architecture 1.1, section 1.3.3).
func Answer(st, location string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nST: %s\r\nUSN: uuid:1::%s\r\nLOCATION: %s\r\n\r\n",
		st, st, location)
}
