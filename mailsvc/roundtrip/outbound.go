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
