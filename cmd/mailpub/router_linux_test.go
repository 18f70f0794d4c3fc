package main

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// guard is a firewall on the mail server as ufw makes it: what was asked for may come in, and
// the ports of the server; the answers to a search by multicast come from another address than
// was asked, and are dropped.
const guard = "add table inet guard; add chain inet guard in { type filter hook input priority 0; policy drop; }; " +
	"add rule inet guard in ct state established,related accept; add rule inet guard in iif lo accept; add rule inet guard in tcp dport { 25, 110, 143, 1000, 3000 } accept"

// Forwards were made by UPnP, then a firewall is switched on. The router is found by a question to
// its own address, nothing is said to be gone, and destroy leaves nothing.
func TestLabFirewalledServer(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.services()
	before := s.state()
	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 16 changes.")
	s.must("lan", "nft", guard)
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes")
	s.mailpub(exitOK, "drift")
	out := s.mailpub(exitOK, "router")
	has(t, out, "upnp: the default gateway 10.10.10.1 answers as WANIPConnection:2; it made this site's forwards",
		"tcp/25", "ours")

	s.mailpub(exitOK, "destroy", "--yes")
	if after := s.state(); after != before {
		t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
}

// The answers to every search are dropped, while PCP and NAT-PMP answer: what UPnP made is not
// known now, which is said as it is, with exit code 1, and never taken for gone.
func TestLabSilentMaker(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.services()
	before := s.state()
	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 16 changes.")
	forwarded := len(s.lab.Mappings(t))
	s.must("lan", "nft", "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; policy accept; }; add rule inet deaf in udp sport 1900 drop")
	said := func(stdout, stderr string, code int) string {
		t.Helper()
		if code != exitFailed {
			t.Errorf("exit code %d, want %d\n%s%s", code, exitFailed, stdout, stderr)
		}

		if all := stdout + stderr; strings.Contains(all, "gone") ||
			strings.Contains(all, "forgot") {
			t.Errorf("said to be gone:\n%s", all)
		}

		return stdout + stderr
	}

	has(t, said(s.on("lan", s.bin, "plan")),
		"upnp made this site's forwards and does not answer now", "? tcp/25",
		"by pcp they can't be seen", "router: tcp/25 can't be read")

	has(t, said(s.on("lan", s.bin, "apply", "--yes")), "can't be read")
	said(s.on("lan", s.bin, "drift"))
	has(t, said(s.on("lan", s.bin, "destroy", "--yes")),
		"Some changes were not made: 11 changes.", "can't be read")

	if left := len(s.lab.Mappings(t)); left != forwarded {
		t.Errorf("%d of %d forwards are left", left, forwarded)
	}

	s.must("lan", "nft", "delete table inet deaf")
	has(t, s.mailpub(exitOK, "destroy", "--yes"), "Done: 5 changes.")
	if after := s.state(); after != before {
		t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
}

// Somebody takes one mapping away from a router by PCP: destroy goes on all the same.
func TestLabDestroyWithoutOne(t *testing.T) {
	s := newSiteInLab(t, lab.Options{NoUPnP: true})
	s.services()
	before := s.state()
	s.mailpub(exitOK, "apply", "--yes")

	for _, chain := range []string{"prerouting_miniupnpd", "miniupnpd"} { // as a person does, by hand
		s.must("router", "sh", "-ec", "nft -a list chain inet filter "+chain+
			" | grep -E 'dport (25|smtp) ' | grep -o 'handle [0-9]*' | while read -r h; do nft delete rule inet filter "+
			chain+" $h; done")
	}

	s.mailpub(exitOK, "destroy", "--yes")
	if after := s.state(); after != before {
		t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
}
