package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// ipv6 gives the site the server's own IPv6 address.
func (s *siteInLab) ipv6() { s.edit("ipv6: none", `ipv6: "`+lab.Server6+`"`) }

// send6 delivers a message from outside by IPv6 alone.
func (s *siteInLab) send6(nonce string) {
	s.t.Helper()
	s.must("inet", "swaks", "--pipe", "socat - TCP6:["+lab.Server6+"]:25", "--helo",
		"sender.example.org",
		"--from", "someone@example.org", "--to", "postmaster@nomeazienda.it", "--header",
		"Subject: "+nonce, "--timeout", "20s")

	if found := s.must("lan", "grep", "-rl", "--exclude=*.log", nonce,
		s.dir+"/mail"); strings.Count(found, "\n") != 1 {
		s.t.Errorf("the message is not there:\n%s", found)
	}
}

// services6 is services, by IPv6 too.
func (s *siteInLab) services6() {
	s.services()
	for _, port := range []string{"110", "143", "3000", "1000"} {
		s.background("lan", "socat", "TCP6-LISTEN:"+port+",bind=["+lab.Server6+
			"],reuseaddr,fork", "SYSTEM:echo +OK")
		s.eventually("something listens on "+port, func() bool {
			return s.answers6("lan", port)
		})
	}
}

// answers6 connects to a port of the server by IPv6.
func (s *siteInLab) answers6(from, port string) bool {
	_, _, code := s.on(from, "socat", "-u", "OPEN:/dev/null",
		"TCP6:["+lab.Server6+"]:"+port+",connect-timeout=1")
	return code == 0
}

func (s *siteInLab) reached6() bool { return s.answers6("inet", "25") }

// TestLabPinholes is the life of the pinholes on a router that lets no IPv6 in by itself.
func TestLabPinholes(t *testing.T) {
	for _, c := range []struct {
		name, protocol string
		options        lab.Options
		host           string
	}{
		{"PCP beside UPnP", "auto", lab.Options{IPv6: true}, "lan"},
		{"PCP", "pcp", lab.Options{IPv6: true, NoUPnP: true}, "lan"},
		{"nftables", "nftables", lab.Options{IPv6: true, NoDaemon: true}, "router"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiteInLab(t, c.options)
			s.host = c.host
			s.ipv6()
			s.edit("protocol: auto", "protocol: "+c.protocol)
			s.services6()
			before := s.state()

			if s.reached6() {
				t.Fatal("the router lets IPv6 in by itself; nothing is tried")
			}

			if c.host == "router" { // its own filter is its administrator's: AAAA waits for it
				out := s.mailpub(exitOK, "plan")
				has(t, out, "! tcp6/25", "the policy of chain inet filter forward drops it",
					"mail.nomeazienda.it has no AAAA record")

				if strings.Contains(out, "nomeazienda.it. AAAA") {
					t.Errorf("AAAA is planned:\n%s", out)
				}

				s.must("router", "nft", "insert", "rule", "inet", "filter", "forward", "meta",
					"mark", "and", "0x01000000", "==", "0x01000000", "accept")

				s.must("router", "nft", "insert", "rule", "inet", "filter", "forward", "ct",
					"status", "dnat", "accept")
			}

			has(t, s.mailpub(exitOK, "plan"), "+ tcp6/25    [2001:db8:10::10]:25",
				"mail.nomeazienda.it. AAAA")

			has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 22 changes.")
			has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"),
				"Plan: 1 not readable, 22 up to date.")

			s.send6("nonce-six")
			s.send("nonce-four", "postmaster@nomeazienda.it")
			has(t, s.mailpub(exitOK, "router"), "tcp6/25", "[2001:db8:10::10]:25")
			has(t, s.mailpub(exitOK, "verify"), ", 0 failed,")

			time.Sleep(4 * time.Second) // a younger router's restart can't be told (RFC 6887 section 8.5)
			script := s.restart()
			if c.host == "router" {
				s.restored(script)
				s.restart()
			}

			if s.reached6() {
				t.Error("the pinhole is there after a restart; nothing is tried")
			}

			has(t, s.mailpub(exitDiffer, "drift"),
				"forward tcp6/25: was put in place and is gone")

			has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 10 changes.")
			s.send6("nonce-again")

			s.mailpub(exitOK, "destroy", "--yes")
			if s.reached6() {
				t.Error("the pinhole is there after destroy")
			}

			if after := s.state(); after != before {
				t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after,
					before)
			}
		})
	}
}

// restored loads the script of the rules, as at boot, twice.
func (s *siteInLab) restored(script string) {
	s.t.Helper()
	file := filepath.Join(s.dir, "boot.nft")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		s.t.Fatal(err)
	}

	s.must("router", "nft", "-f", file)
	s.must("router", "nft", "-f", file)
	if !s.reached6() {
		s.t.Errorf("the script does not restore the pinhole:\n%s", script)
	}

	if again := s.mailpub(exitOK, "router", "--nft"); again != script {
		s.t.Errorf("restored are\n%s\nof\n%s", again, script)
	}
}

// UPnP makes no pinhole for a port below 1024: what it can make is made, and the mail host
// has no AAAA record, unless the config says that IPv6 comes in.
func TestLabPinholesByUPnP(t *testing.T) {
	t.Parallel()
	s := newSiteInLab(t, lab.Options{IPv6: true, NoNATPMP: true})
	// This daemon speaks PCP over IPv6 even where NAT-PMP and PCP are switched off.
	s.must("router", "nft", "insert", "rule", "inet", "filter", "input", "udp", "dport",
		"5351", "reject")

	s.ipv6()
	s.services6()
	before := s.state()
	out := s.mailpub(exitOK, "plan")
	has(t, out, "+ tcp6/3000  [2001:db8:10::10]:3000", "! tcp6/25", "! tcp6/1000",
		"by upnp only for ports")

	if strings.Contains(out, "nomeazienda.it. AAAA") {
		t.Errorf("AAAA is planned:\n%s", out)
	}

	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 17 changes.")
	if !s.answers6("inet", "3000") || s.reached6() {
		t.Error("the pinhole for 3000 is shut, or the one for 25 open")
	}

	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "17 up to date")
	has(t, s.mailpub(exitOK, "verify"), ", 0 failed,")
	time.Sleep(4 * time.Second)
	s.lab.Reboot(t)
	has(t, s.mailpub(exitDiffer, "drift"), "forward tcp6/3000: was put in place and is gone")
	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 6 changes.")

	if !s.answers6("inet", "3000") {
		t.Error("the pinhole is not back")
	}

	s.edit("protocol: auto", "protocol: auto\n  ipv6: open")
	has(t, s.mailpub(exitOK, "plan"), "+ mail.nomeazienda.it. AAAA", "- tcp6/3000")
	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 2 changes.")

	if s.answers6("inet", "3000") {
		t.Error("the pinhole that nobody wants is open")
	}

	s.mailpub(exitOK, "destroy", "--yes")
	if after := s.state(); after != before {
		t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
}
