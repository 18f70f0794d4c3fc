package check

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// CheckMessage judges a message that was sent from outside: the first hop that failed is the
// finding; where none did, it is looked for in the mailbox, and which client the server saw.
// from are the sender's own addresses.
func (f Facts) CheckMessage(ctx context.Context, domain string, hops []Hop, word string, from []netip.Addr) []plan.Check {
	c := plan.Check{
		ID: catalog.MailOutside,
		Subject: plan.Subject{
			Name: "postmaster@" + domain,
			Text: "postmaster@" + domain + ", from the probe",
		},
		Want: "the message arrives",
		Ref:  "RFC 5321 section 5.1",
	}

	source := plan.Check{
		ID:      catalog.PortSource,
		Subject: plan.About("the probe's message"),
		Want:    joinAddresses(from),
		Ref:     "RFC 5321 section 4.4",
		Status:  plan.Skip,
		Got:     "no message arrived",
		Hint:    "see mail.outside",
	}

	var way []string
	for _, h := range hops {
		if !h.OK {
			c.Status = plan.Fail
			c.Got = strings.Join(append(way, h.Name+": "+h.Said), "; ")
			c.Hint = hopHint(h.Name)

			if h.Greylisted() {
				c.Status = plan.Warn
				c.Hint = f.deferred(c, h.Said).Hint
			}

			if h.Name == "MX" || h.Name == "address" {
				c.Reason = plan.ReasonAstray
			}

			return []plan.Check{c, source}
		}

		way = append(way, h.Name+" "+h.Said)
	}

	said := strings.Join(way, "; ")
	if f.Maildir == "" {
		c.Status = plan.Skip
		c.Got = "accepted (" + said + "), but the mailbox can't be read from here"
		c.Hint = `find the message with the subject "mailpub test ` + word +
			`" in the mailbox of postmaster@` + domain
		return []plan.Check{c, source}
	}

	c, m := f.found(ctx, c, word)
	c.Got = said + "; " + c.Got
	if m.path != "" {
		source = checkSource(source, m.head, from)
		f.removeTest(&c, m, word)
	}

	return []plan.Check{c, source}
}

func joinAddresses(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// hopHint says what to do where a message from outside stops.
func hopHint(hop string) string {
	switch hop {
	case "MX", "address":
		return "seen from outside, DNS does not point here: see mx.exists, mx.target and host.a"
	case "TCP":
		return "port 25 is not reached from outside: see router.forward and port.outside; where those pass, the provider keeps it shut"
	case "banner":
		return "something else answers at port 25, or nothing speaks: see smtp.banner"
	case "TLS":
		return "the server offers STARTTLS and then fails: its log says why"
	}

	return "the server refuses the message: see account.postmaster, and its log"
}

// traced finds the client's address in a trace field: in brackets of its own behind what the
// client called itself, which may be an address too (RFC 5321 section 4.4), or, as Exim writes
// it, in front.
var traced = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(?is)^received: from [^(;]*\((?:[^()\[\]]*\s)?\[(?:ipv6:)?([0-9a-f.:]+)\]`),
		regexp.MustCompile(`(?is)^received: from [^\[]*\[(?:ipv6:)?([0-9a-f.:]+)\]`),
	}
})

// client returns the client's address in a trace field, if it is one.
func client(field string) (a netip.Addr, ok bool) {
	for _, form := range traced() {
		if m := form.FindStringSubmatch(field); m != nil {
			a, _ = netip.ParseAddr(m[1])
			return a, true
		}
	}
	return a, false
}

// checkSource sees which client the server saw: where a router puts its own address in the place
// of all, rules that go by addresses mean nothing.
func checkSource(c plan.Check, head []byte, from []netip.Addr) plan.Check {
	var seen netip.Addr
	for _, field := range strings.SplitAfter(string(head), "\n") {
		if a, is := client(field); is {
			seen = a
			break
		}
	}

	switch {
	case !seen.IsValid() || len(from) == 0:
		c.Got = "the message does not say which client the server saw"
		c.Hint = "see the server's log for the address that the message came from"
	case slices.Contains(from, seen.Unmap()):
		c.Status = plan.Pass
		c.Got = seen.String()
		c.Hint = ""
	case seen.IsPrivate() || seen.IsLoopback():
		c.Status = plan.Fail
		c.Got = fmt.Sprintf("%s, an address of the inside", seen)
		c.Hint = "the router replaces every client's address with its own, which defeats block lists, SPF and relay rules by address; switch that off (masquerading of incoming connections, \"NAT loopback\" or \"source NAT\")"
	default:
		c.Got = fmt.Sprintf("%s, which is not the address that the probe knows for itself",
			seen)
		c.Hint = "the probe may be translated itself; then this cannot be determined"
	}

	return c
}
