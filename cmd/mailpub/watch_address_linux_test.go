package main

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// echo is a name server outside that answers with the address that it is asked from, as
// myip.opendns.com does.
type echo struct {
	mu    sync.Mutex
	stuck netip.Addr // what it says instead, while valid
}

// startEcho starts one at 2.2.2.4:53.
func startEcho(t testing.TB, l *lab.Lab) *echo {
	e := &echo{}
	conn := l.ListenPacket(t, "inet", "2.2.2.4:53")
	done := make(chan struct{})
	go func() {
		defer close(done)

		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}

			seen := from.(*net.UDPAddr).AddrPort().Addr().Unmap()
			e.mu.Lock()
			if e.stuck.IsValid() {
				seen = e.stuck
			}

			e.mu.Unlock()
			reply := header(buf[:n], 0x8580)
			reply[7] = 1 // one record: the name of the question, A IN, no time to live
			reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			conn.WriteTo(append(reply, seen.AsSlice()...), from)
		}
	}()

	t.Cleanup(func() { conn.Close(); <-done })
	return e
}

// says makes it say an address, or what it sees again.
func (e *echo) says(addr netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stuck = addr
}

// serial is that of the zone's SOA record: it grows with every transaction.
func (s *siteInLab) serial() int {
	s.t.Helper()
	out := s.must("inet", "dig", "+short", "@"+lab.NameServer, "nomeazienda.it", "SOA")
	m := regexp.MustCompile(`^\S+ \S+ (\d+) `).FindStringSubmatch(out)

	if m == nil {
		s.t.Fatalf("no serial in %q", out)
	}

	n, err := strconv.Atoi(m[1])
	if err != nil {
		s.t.Fatal(err)
	}

	return n
}

// TestLabTwoSources has the router and a name server outside say what the public address is. As long as
// they do not agree DNS is left alone and the notice says who says what, however long that
// lasts; once they do, A and SPF follow in one transaction.
func TestLabTwoSources(t *testing.T) {
	t.Parallel()
	s := newSiteInLab(t, lab.Options{})
	outside := startEcho(t, s.lab)
	s.edit("public: {ipv4: auto, ipv6: none}",
		`public: {ipv4: auto, ipv6: none, echo: ["myip.example.net A 2.2.2.4"]}`)

	s.tellInto("  repair: [router, address]\n  address_confirm: 1s\n") // what one source alone would need
	s.edit(reverseZone, "")
	s.lab.Update(t, "update add 2.2.2.2.in-addr.arpa. 3600 PTR mail.nomeazienda.it.",
		"update add 7.2.2.2.in-addr.arpa. 3600 PTR mail.nomeazienda.it.")

	s.services()
	has(t, s.mailpub(exitOK, "plan"), "public address 2.2.2.2 (as the router, myip.example.net at 2.2.2.4 say)")
	s.mailpub(exitOK, "apply", "--yes")
	w := s.watch("-v")
	w.says("msg=looked", 1)
	s.told(0, "")

	// The router has another address; from outside the old one is seen, as by a second line.
	outside.says(netip.MustParseAddr(lab.Public))
	records := s.lab.Zone(t, "nomeazienda.it")
	serial := s.serial()
	s.lab.SetWAN(t, "2.2.2.7/24")
	told := s.told(0, "broke")[0]
	has(t, told.Text, "the router says 2.2.2.7", "myip.example.net at 2.2.2.4 says 2.2.2.2",
		"this machine does not use that router")

	for range 3 { // long after address_confirm
		w.look()
		time.Sleep(time.Second)
	}

	s.told(1, "")
	if now := s.lab.Zone(t, "nomeazienda.it"); strings.Join(now, "\n") != strings.Join(records,
		"\n") || s.serial() != serial {
		t.Fatalf("sources that do not agree were followed: serial %d, then %d\n%s", serial,
			s.serial(), strings.Join(now, "\n"))
	}

	t.Logf("told:\n%s", told.Text)

	// They agree: one transaction, and mail arrives at the new address.
	outside.says(netip.Addr{})
	w.look()
	after := s.told(1, "healed changed-address")
	has(t, after[0].Title, "over: the sources of the public address disagree")
	has(t, after[1].Text, "the public address is 2.2.2.7 now", "mail.nomeazienda.it. A",
		"nomeazienda.it. TXT v=spf1")

	has(t, s.state(), "mail.nomeazienda.it. 3600 IN A 2.2.2.7", `"v=spf1 mx ip4:2.2.2.7 -all"`)
	if strings.Contains(s.state(), "ip4:2.2.2.2") {
		t.Error("the old address is still in SPF")
	}

	if now := s.serial(); now != serial+1 {
		t.Errorf("the zone's serial is %d and was %d, want one transaction", now, serial)
	}

	s.sendTo("2.2.2.7", "nonce-agreed", "postmaster@nomeazienda.it")
	has(t, s.mailpub(exitOK, "plan"), "No changes")
}
