package roundtrip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/lazy"
)

// InboundTest is a message from a mailbox elsewhere to the site.
type InboundTest struct {
	Mailbox string // that it was sent from
	To      string
	Own     []netip.Addr // the site's public addresses; none where they are not known

	Refused error  // the provider's submission did not take it
	Arrived string // where it was found here; "" where it was not
	Message []byte // as it was found here
	Unread  string // why nobody can look whether it arrived
	Bounce  *Bounce
	Waited  time.Duration
}

// Check judges it, with the hops that the message bears.
func (i InboundTest) Check() plan.Check {
	c := plan.Check{
		ID: catalog.MailOutside,
		Subject: plan.Subject{
			Name:    i.To,
			Text:    i.To + ", from " + i.Mailbox,
			Outside: true,
		},
		Want: "the message arrives",
		Ref:  "RFC 5321 section 5.1",
	}

	switch {
	case i.Refused != nil:
		c.Status = plan.Skip
		c.Got = "the provider of " + i.Mailbox + " did not take it: " + i.Refused.Error()
		c.Reason = plan.ReasonUnseen
		c.Hint = "see verify.mailboxes: the submission server, the user and the password or token"
	case i.Arrived != "":
		c.Status = plan.Pass
		c.Got = "arrived in " + i.Arrived + hops(ReadTrace(i.Message))
		if i.Waited >= slow {
			c.Got += "; it took " + plan.FormatDuration(i.Waited.Round(time.Second)) +
				" (a queue, or greylisting)"
		}
	case i.Bounce != nil && i.Bounce.Failed():
		c.Status = plan.Fail
		c.Got = "returned to " + i.Mailbox + ": " + i.Bounce.summary()
		c.Hint = i.hint(*i.Bounce)
	case i.Bounce != nil:
		c.Status = plan.Warn
		c.Got = "late: the provider's server says " + i.Bounce.summary()
		c.Hint = i.hint(*i.Bounce)
	case i.Unread != "":
		c.Status = plan.Skip
		c.Got = "sent; " + i.Unread
		c.Reason = plan.ReasonUnseen
		c.Hint = "set verify.mailbox or service.maildir, so that mailpub can find the message"
	default:
		c.Status = plan.Warn
		c.Got = fmt.Sprintf("not here after %v, and not returned either: it may wait in the provider's queue (greylisting, a port that does not answer)",
			i.Waited.Round(time.Second))
		c.Hint = "verify again with a longer verify.patience; see port.outside and smtp.refusing"
	}

	return c
}

func hops(t Trace) string {
	var way []string
	for _, h := range slices.Backward(t.Hops) {
		text := h.By
		if h.Client.IsValid() {
			text += " from " + h.Client.String()
		}

		if h.TLS {
			text += " under TLS"
		}

		way = append(way, text)
	}

	if len(way) == 0 {
		return ""
	}

	return "; by " + strings.Join(way, ", then ")
}

// slow is a way in that takes so long that it is said: an ordinary one takes a few seconds.
const slow = 15 * time.Second

// reached matches the server that a queue tried, as Postfix writes it: mail.example[192.0.2.1]:25.
var reached = lazy.Regexp(`([A-Za-z0-9.-]*)\[([0-9a-fA-F.:]+)\](?::25)?`)

// elsewhere is the server that refused, if that is none of the site's.
func (i InboundTest) elsewhere(b Bounce) string {
	for _, m := range reached().FindAllStringSubmatch(b.Diagnostic+" "+b.Remote, -1) {
		a, err := netip.ParseAddr(m[2])
		if err == nil && a.IsGlobalUnicast() && len(i.Own) > 0 &&
			!slices.Contains(i.Own, a.Unmap()) {
			return strings.TrimSpace(m[1] + " " + a.String())
		}
	}

	return ""
}

// hint says where on the mail path the provider was stopped.
func (i InboundTest) hint(b Bounce) string {
	other := i.elsewhere(b)
	switch {
	case b.mentions("loops back"):
		return "DNS leads the provider to itself, not here: see mx.expected and host.a"
	case other != "":
		return "the message went to " + other +
			", which is not this site's server: see mx.expected, mail.backup and host.a"
	case b.mentions("connection refused"):
		return "port 25 is not open outside: see router.forward and port.inside"
	case b.mentions("timed out", "timeout", "no route", "unreachable", "did not respond"):
		return "nothing answers at port 25 outside: see router.forward; where that passes, the provider of the connection blocks it"
	case b.mentions("host or domain name not found", "no mx", "nxdomain", "not found",
		"unrouteable", "dns error", "no such domain"):
		return "seen from outside, DNS does not point here: see mx.exists, mx.target and host.a"
	case b.mentions("user unknown", "no such user", "unknown user", "recipient rejected",
		"does not exist", "mailbox unavailable"):
		return "the server that was reached does not know the address: see account.postmaster, and mx.target for whether it is the right one"
	case b.mentions("relay"):
		return "the server that was reached does not serve the domain: see service.config, and mx.target for whether it is the right one"
	case b.mentions("greylist", "try again", "temporar"):
		return "the server says \"later\": verify again with a longer verify.patience"
	}

	return "the words are those of the server that refused: its log says more"
}
