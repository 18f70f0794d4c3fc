package mailsvc

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// The foreign domains of the relay forms. They belong to nobody (RFC 2606, RFC 6761), so
// that nothing could be delivered there.
const (
	foreign  = "relay-test.invalid"
	foreign2 = "relay-test-2.invalid"
)

// form is one way to ask for relaying.
type form struct{ from, to string }

// relayForms are the ways in which servers were found to relay. In all of them the mail
// would leave, were it accepted and sent.
func (f Facts) relayForms() (forms []form) {
	host, _, err := net.SplitHostPort(f.Addr)
	if err != nil {
		host = f.Addr
	}
	ip := "[" + host + "]"
	if strings.Contains(host, ":") {
		ip = "[IPv6:" + host + "]"
	}
	s, local := f.Hostname, f.Hostname
	if len(f.Domains) > 0 {
		local = f.Domains[0]
	}
	const d, u = foreign, "mailpub-relay-test"
	for _, from := range []string{
		"<>", "<" + u + "@" + d + ">", "<" + u + "@" + s + ">", "<" + u + "@" + ip + ">", "<" + u + ">",
		"<" + u + "@localhost>", "<postmaster@" + local + ">", "<nosuch-" + u + "@" + local + ">",
	} {
		forms = append(forms, form{from, "<" + u + "@" + d + ">"})
	}
	for _, to := range []string{
		u + "%" + d + "@" + ip, u + "%" + d + "@" + s, `"` + u + "@" + d + `"`, `"` + u + "%" + d + `"`,
		u + "@" + d + "@" + ip, `"` + u + "@" + d + `"@` + ip, u + "@" + d + "@" + s,
		"@" + ip + ":" + u + "@" + d, "@" + s + ":" + u + "@" + d,
		d + "!" + u, d + "!" + u + "@" + ip, d + "!" + u + "@" + s,
		u + "%" + d + "@" + local, `"` + u + "@" + d + `"@` + local, `"` + d + "!" + u + `"@` + local,
		u + "@[192.0.2.1]", u + "%" + d, "@" + foreign2 + ",@" + s + ":" + u + "@" + d, u + "@" + d + ".",
	} {
		forms = append(forms, form{"<" + u + "@" + foreign2 + ">", "<" + to + ">"})
	}
	return forms
}

// perConnection is after how many forms a new connection is made: servers slow down or
// break off after some refusals.
const perConnection = 4

// relayOpen tries every form up to RCPT and takes it back: no message is ever sent.
func (f Facts) relayOpen(ctx context.Context) []plan.Check {
	c := plan.Check{ID: "relay.open", Subject: f.Addr, Want: "every form of relaying refused", Ref: "RFC 5321 section 7.1, RFC 2505"}
	forms := f.relayForms()
	var taken, later []string
	var d *dialog
	for i, form := range forms {
		var err error
		if d == nil {
			if d, err = hello(ctx, f.Dial, f.Addr); err != nil && i == 0 {
				return single(f.silent(c, err))
			}
		}
		var mail, rcpt Reply
		if err == nil {
			mail, rcpt, err = d.transaction(ctx, form.from, form.to)
		}
		what := fmt.Sprintf("MAIL FROM:%s RCPT TO:%s", form.from, form.to)
		switch {
		case mail.refused() || rcpt.refused():
		case err == nil && mail.accepted() && rcpt.accepted():
			taken = append(taken, what+": "+rcpt.String())
		case err != nil:
			later = append(later, what+": "+plainly(err))
		default:
			later = append(later, what+": "+mail.String()+", "+rcpt.String())
		}
		if d != nil && (err != nil || i%perConnection == perConnection-1) {
			d.close()
			d = nil
		}
	}
	if d != nil {
		d.close()
	}
	switch {
	case len(taken) > 0:
		c.Got = fmt.Sprintf("%d of %d accepted: %s", len(taken), len(forms), strings.Join(taken, "; "))
		c.Status, c.Hint = f.acceptedFromInside()
	case len(later) > 0:
		c.Status = plan.Skip
		c.Got = fmt.Sprintf("%d of %d not decided, the others refused: %s", len(later), len(forms), later[0])
		c.Hint = "the server says \"later\" or breaks off: verify again in some minutes"
	default:
		c.Status, c.Got = plan.Pass, fmt.Sprintf("all %d forms refused", len(forms))
	}
	return single(c)
}

// acceptedFromInside weighs what a server accepts from here. Most servers trust their
// own network, so it proves nothing about strangers, unless the server trusts nobody.
func (f Facts) acceptedFromInside() (plan.Status, string) {
	if f.Closed {
		return plan.Fail, "the server relays for strangers: it must refuse recipients of other domains"
	}
	return plan.Warn, "only a candidate: this machine may be in the server's trusted networks; keep those to 127.0.0.0/8, and try again from outside"
}

// relaySpoof sees that a sender of one's own domain must authenticate.
func (f Facts) relaySpoof(ctx context.Context) (out []plan.Check) {
	for _, domain := range f.Domains {
		for _, to := range []string{"postmaster@" + domain, "mailpub-relay-test@" + foreign} {
			from := "postmaster@" + domain
			c := plan.Check{ID: "relay.spoof", Subject: fmt.Sprintf("from %s to %s, unauthenticated", from, to),
				Want: "refused (5xx)", Ref: "RFC 6409 section 4.3, RFC 5321 section 7.1"}
			mail, rcpt, err := f.try(ctx, "<"+from+">", "<"+to+">")
			switch {
			case err != nil:
				c = f.silent(c, err)
			case mail.refused() || rcpt.refused():
				c.Status, c.Got = plan.Pass, decisive(mail, rcpt).String()
			case mail.accepted() && rcpt.accepted():
				c.Got = rcpt.String()
				if c.Status, c.Hint = f.acceptedFromInside(); c.Status == plan.Fail {
					c.Hint = "let the server take mail from its own domains only after authentication"
				}
			default:
				c.Status, c.Got = plan.Skip, "not decided: "+decisive(mail, rcpt).String()
				c.Hint = "the server says \"later\": verify again in some minutes"
			}
			out = append(out, c)
		}
	}
	return out
}

// decisive is the reply that ended a transaction.
func decisive(mail, rcpt Reply) Reply {
	if mail.accepted() {
		return rcpt
	}
	return mail
}
