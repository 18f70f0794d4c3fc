package roundtrip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/authres"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/orgdomain"
)

// OutboundTest is a message from the site that was looked for in a mailbox elsewhere.
type OutboundTest struct {
	Mailbox string       // address there
	From    string       // of the site
	Sources []netip.Addr // the addresses that the site's mail may come from; none where a smart host sends it
	Relay   string       // the smart host, "" where the server delivers itself

	Unsent  error         // why no message was sent, or none could be looked for
	Refused error         // the site's own server did not take it
	Message []byte        // as it was found there; nil where it was not
	Folder  string        // where it was found
	Spam    bool          // which is the folder for spam
	Bounce  *Bounce       // that the site's server sent back; nil for none seen
	Waited  time.Duration // for it
	Queued  string        // why it still is in the queue of the site's server; "" where it is not, or nobody can look
}

// Checks judges it: whether it arrived, and what the provider found out.
func (o OutboundTest) Checks() []plan.Check {
	if o.Unsent != nil {
		return o.skipped(OutboundIDs(), o.Unsent.Error(),
			"see verify.mailboxes and verify.messages_per_day")
	}

	delivered := o.check(catalog.OutboundDelivered, "the message arrives",
		"RFC 5321 section 5.1")

	switch {
	case o.Refused != nil:
		delivered.Status = plan.Fail
		delivered.Got = "the site's own server did not take it: " + o.Refused.Error()
		delivered.Hint = "see verify.outbound: the login, or whether the server takes mail from this machine"
	case o.Message == nil && o.Bounce != nil && o.Bounce.Failed():
		delivered.Status = plan.Fail
		delivered.Got = "it was returned: " + o.Bounce.summary()
		delivered.Hint = bounceHint(*o.Bounce)
	case o.Message == nil && (o.Queued != "" || o.Bounce != nil):
		said := Bounce{Diagnostic: oneLine(o.Queued)}
		if o.Queued == "" {
			said = *o.Bounce
		}

		delivered.Status = plan.Warn
		delivered.Got = fmt.Sprintf("still in the queue of the site's server after %v: %s",
			o.Waited.Round(time.Second), said.summary())

		delivered.Hint = queueHint(said)
		if said.mentions(unreached...) {
			delivered.Status = plan.Fail
		}
	case o.Message == nil:
		delivered.Status = plan.Fail
		delivered.Got = fmt.Sprintf("accepted by the site's server, and not there after %v, neither in the inbox nor in another folder",
			o.Waited.Round(time.Second))
		delivered.Hint = "check the queue of the site's server for the other server's reply; a provider may also accept mail and drop it"
	default:
		delivered.Status = plan.Pass
		delivered.Got = "arrived in " + o.Folder
		return append([]plan.Check{delivered}, o.found()...)
	}

	return append([]plan.Check{delivered}, o.skipped(OutboundIDs()[1:], "no message arrived",
		"see outbound.delivered")...)
}

func (o OutboundTest) check(id, want, ref string) plan.Check {
	return plan.Check{
		ID: id,
		Subject: plan.Subject{
			Name:    o.Mailbox,
			Text:    "from " + o.From + " to " + o.Mailbox,
			Outside: true,
		},
		Want: want,
		Ref:  ref,
	}
}

// OutboundIDs are the ids of the checks of a message out.
func OutboundIDs() []string {
	return []string{
		catalog.OutboundDelivered, catalog.OutboundSource, catalog.OutboundSPF,
		catalog.OutboundDKIM,
		catalog.OutboundDMARC, catalog.OutboundTLS, catalog.OutboundFolder,
	}
}

// skipped are checks of a message that nobody could look at, for one reason.
func (o OutboundTest) skipped(ids []string, got, hint string) (checks []plan.Check) {
	for _, id := range ids {
		c := o.check(id, "known from the message", "RFC 8601")
		c.Status = plan.Skip
		c.Got = got
		c.Hint = hint
		c.Reason = plan.ReasonUnseen
		checks = append(checks, c)
	}

	return checks
}

// sameOrganisation reports whether two domains are of one organization, as DMARC's relaxed alignment has it.
func sameOrganisation(a, b string) bool { return a != "" && orgdomain.Of(a) == orgdomain.Of(b) }

// found judges the message itself.
func (o OutboundTest) found() []plan.Check {
	t := ReadTrace(o.Message)
	return []plan.Check{o.source(t), o.spf(t), o.dkim(t), o.dmarc(t), o.tls(t), o.folder()}
}

func (o OutboundTest) source(t Trace) plan.Check {
	c := o.check(catalog.OutboundSource, "the site's own address", "RFC 5321 section 4.4")
	if o.Relay != "" {
		c.Want = "the smart host " + o.Relay
	}

	h, ok := t.Entry()
	switch {
	case !ok || !h.Client.IsValid():
		c.Status = plan.Skip
		c.Got = "the provider does not say which address it came from"
		c.Hint = "see the headers of the message there"
	case o.Relay != "":
		c.Status = plan.Pass
		c.Got = fmt.Sprintf("%s, which calls itself %s", h.Client, h.From)
	case slices.Contains(o.Sources, h.Client):
		c.Status = plan.Pass
		c.Got = h.Client.String()
	case h.Client.Is6() && !slices.ContainsFunc(o.Sources, netip.Addr.Is6):
		c.Status = plan.Fail
		c.Got = h.Client.String() + ", an IPv6 address that the site does not know"
		c.Hint = "let the server send by IPv4 alone, or give the address its PTR, AAAA and a place in the SPF record (server.public.ipv6)"
	default:
		c.Status = plan.Fail
		c.Got = h.Client.String()
		c.Hint = "mail leaves by another way than the site's address: another line, a smart host that the config does not name (service.delivery), or a firewall that translates"
	}

	return c
}

// resultOf is what the provider found of one method; "" is nothing.
func resultOf(t Trace, pick func(authres.Result) (authres.ResultValue, string)) (is authres.ResultValue, why string) {
	for _, r := range t.Results() {
		v, reason := pick(r)
		if v == authres.ResultPass {
			return v, reason
		}
		if v != "" && is == "" {
			is, why = v, reason
		}
	}

	return is, why
}

// resultCheck makes a check of what the provider found.
func resultCheck(c plan.Check, is authres.ResultValue, why, hint string) plan.Check {
	c.Want = "pass"
	c.Got = string(is)
	if why != "" {
		c.Got += " (" + strings.Trim(oneLine(why), `"`) + ")"
	}

	switch is {
	case authres.ResultPass:
		c.Status = plan.Pass
	case "":
		c.Status = plan.Skip
		c.Got = "the provider gives no result (no Authentication-Results field of its own)"
		c.Hint = "check the headers of the message there, or use a mailbox at another provider"
	case authres.ResultTempError:
		c.Status = plan.Warn
		c.Hint = "the provider could not look it up just then: verify again"
	default:
		c.Status = plan.Fail
		c.Hint = hint
	}

	return c
}

func (o OutboundTest) spf(t Trace) plan.Check {
	sender := slices.ContainsFunc(t.Results(), func(r authres.Result) bool {
		s, ok := r.(*authres.SPFResult)
		return ok && s.From != ""
	})

	is, why := resultOf(t, func(r authres.Result) (authres.ResultValue, string) {
		if r, ok := r.(*authres.SPFResult); ok && (!sender || r.From != "" || r.Helo == "") { // the name in EHLO proves no sender
			return r.Value, r.Reason
		}
		return "", ""
	})

	return resultCheck(o.check(catalog.OutboundSPF, "", "RFC 7208"), is, why,
		"the address that mail leaves from is not in the SPF record: see outbound.source and spf.pass")
}

func (o OutboundTest) dkim(t Trace) plan.Check {
	_, domain, _ := strings.Cut(o.From, "@")
	aligned := false
	is, why := resultOf(t, func(r authres.Result) (authres.ResultValue, string) {
		d, ok := r.(*authres.DKIMResult)
		if !ok {
			return "", ""
		}

		signer := d.Domain
		if _, of, ok := strings.Cut(d.Identifier, "@"); signer == "" && ok {
			signer = of
		}

		own := signer == "" || sameOrganisation(signer, domain)
		aligned = aligned || own
		if !own { // a provider's own, or a list's
			return "", ""
		}

		return d.Value, d.Reason
	})

	c := resultCheck(o.check(catalog.OutboundDKIM, "", "RFC 6376"), is, why,
		"the signature does not hold: see dkim.match; where that passes, something changes the message on its way (a smart host, a footer)")

	if is == authres.ResultNone || is == "" && len(t.Results()) > 0 && !aligned {
		c.Status = plan.Warn
		c.Got = "the message bears no signature of " + domain
		c.Hint = "let the server sign its mail (service.signing), or accept that SPF alone carries it, which forwarding breaks"
	}

	return c
}

func (o OutboundTest) dmarc(t Trace) plan.Check {
	is, why := resultOf(t, func(r authres.Result) (authres.ResultValue, string) {
		switch r := r.(type) {
		case *authres.DMARCResult:
			return r.Value, r.Reason
		case *authres.GenericResult:
			if r.Method == "dmarc" {
				return r.Value, ""
			}
		}

		return "", ""
	})

	c := resultCheck(o.check(catalog.OutboundDMARC, "", "RFC 7489"), is, why,
		"neither SPF nor DKIM passes for the domain in From: see outbound.spf and outbound.dkim")

	if is == authres.ResultNone || is == "bestguesspass" { // the second is Microsoft's
		c.Status = plan.Warn
		c.Got = string(is) + ": the domain has no DMARC record that the provider sees"
		c.Hint = "see dmarc.single"
	}

	return c
}

func (o OutboundTest) tls(t Trace) plan.Check {
	c := o.check(catalog.OutboundTLS, "encrypted", "RFC 3207")
	h, ok := t.Entry()
	switch {
	case !ok:
		c.Status = plan.Skip
		c.Got = "the message bears no trace"
		c.Hint = "see the headers of the message there"
	case h.TLS:
		c.Status = plan.Pass
		c.Got = "encrypted"
	case !h.Clear:
		c.Status = plan.Skip
		c.Reason = plan.ReasonUnseen
		c.Got = h.By + " does not say whether the message came encrypted"
		c.Hint = "take a mailbox of a provider that says so: see docs/mailboxes.md"
	default:
		c.Status = plan.Warn
		c.Got = "unencrypted, as " + h.By + " says"
		c.Hint = "let the server use STARTTLS where the other side offers it (opportunistic TLS)"
	}

	return c
}

func (o OutboundTest) folder() plan.Check {
	c := o.check(catalog.OutboundFolder, "the inbox", "RFC 6154")
	c.Status = plan.Pass
	c.Got = o.Folder

	if o.Spam {
		c.Status = plan.Warn
		c.Hint = "the provider takes it for spam: see outbound.spf, outbound.dkim, host.ptr and list.dnsbl; a new address gains its name slowly"
	}

	return c
}

// summary are a bounce on one line.
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
var reached = pattern(`([A-Za-z0-9.-]*)\[([0-9a-fA-F.:]+)\](?::25)?`)

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
