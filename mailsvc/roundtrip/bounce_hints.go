package roundtrip

import (
	"slices"
	"strings"
)

// summary is a bounce on one line.
func (b Bounce) summary() string {
	said := b.Diagnostic
	if said == "" {
		said = b.Status
	}

	if b.Remote != "" && !strings.Contains(said, b.Remote) {
		said = b.Remote + ": " + said
	}

	return said
}

// mentions reports whether the diagnostic has one of some words, in small letters.
func (b Bounce) mentions(words ...string) bool {
	said := strings.ToLower(b.Diagnostic)
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.Contains(said, w)
	})
}

// unreached are words of a queue that reached no server.
var unreached = []string{"connection refused", "connection timed out", "no route to host",
	"network is unreachable", "host or domain name not found", "name service error"}

// queueHint says what keeps a message in the queue.
func queueHint(b Bounce) string {
	if b.mentions("greylist", "graylist", "try again", "later", "4.2.0", "450 4.7.1") &&
		!b.mentions("connection") {
		return "the other side takes mail of a new sender only at the second try (greylisting): it comes by itself; verify again with a longer verify.patience"
	}
	return bounceHint(b)
}

// bounceHint says what a refusal means for the site.
func bounceHint(b Bounce) string {
	switch {
	case b.mentions("ptr", "reverse dns", "reverse lookup", "rdns", "hostname", "helo"):
		return "the other side minds the PTR or the name in EHLO: see host.ptr, host.fcrdns and smtp.banner"
	case b.mentions("spf"):
		return "see outbound.spf and spf.pass"
	case b.mentions("dmarc", "unauthenticated", "dkim"):
		return "see dmarc.policy, dkim.match and spf.pass"
	case b.mentions("blocked", "blacklist", "blocklist", "spamhaus", "listed", "reputation",
		"rbl", "dnsbl"):
		return "the address is on a block list: see list.dnsbl, and ask the list to take it off"
	case b.mentions("connection refused", "timed out", "no route", "unreachable"):
		return "port 25 outwards is closed, or the other side is down: see port.egress25"
	case b.mentions("relay", "authentication required"):
		return "the smart host does not take it: see service.delivery"
	}

	return "the words are the other server's: its postmaster pages explain them"
}
