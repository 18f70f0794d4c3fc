package check

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// postmaster must be accepted in every domain and alone (RFC 5321 section 4.5.1).
func (f Facts) postmaster(ctx context.Context) []plan.Check {
	return f.accounts(ctx, catalog.AccountPostmaster, "postmaster", "RFC 5321 section 4.5.1", "postmaster")
}

// abuse must be accepted in every domain (RFC 2142 section 2).
func (f Facts) abuse(ctx context.Context) []plan.Check {
	return f.accounts(ctx, catalog.AccountAbuse, "abuse", "RFC 2142 section 2")
}

func (f Facts) accounts(ctx context.Context, id, local, ref string, addresses ...string) (out []plan.Check) {
	for _, d := range f.Domains {
		addresses = append(addresses, local+"@"+d)
	}
	for _, a := range addresses {
		c := plan.Check{ID: id, Subject: plan.OfName(a), Want: "RCPT accepted", Ref: ref}
		mail, rcpt, err := f.try(ctx, "<>", "<"+a+">")
		out = append(out, f.judge(c, mail, rcpt, err, func(c *plan.Check) {
			if rcpt.Accepted() {
				c.Status = plan.Pass
				return
			}
			c.Status = plan.Fail
			c.Hint = cmp.Or(hintOf(rcpt), fmt.Sprintf("let the server accept %s, as an alias of whoever reads it", a))
		}))
	}
	return out
}

// relayRecipient sees that unknown recipients are refused while the sender still waits.
func (f Facts) relayRecipient(ctx context.Context) (out []plan.Check) {
	for _, d := range f.Domains {
		a := "mailpub-nobody-" + nonce(f.Now()) + "@" + d
		c := plan.Check{ID: catalog.RelayRecipient, Subject: plan.Subject{Name: d, Text: "unknown recipient at " + d}, Want: "RCPT refused (550)", Ref: "RFC 5321 section 3.3"}
		mail, rcpt, err := f.try(ctx, "<>", "<"+a+">")
		out = append(out, f.judge(c, mail, rcpt, err, func(c *plan.Check) {
			if rcpt.Refused() {
				c.Status = plan.Pass
				return
			}
			c.Status = plan.Fail
			c.Hint = "let the server refuse unknown users at RCPT (no catch-all): else it bounces spam to forged senders, and is listed for it"
		}))
	}
	return out
}

// try asks once, on a connection of its own.
func (f Facts) try(ctx context.Context, from, to string) (mail, rcpt smtpclient.Reply, err error) {
	a := smtpclient.Prober{Dial: f.Dial, Addr: f.Addr}
	defer a.Close()
	return a.Ask(ctx, from, to)
}

// judge handles what is the same for every check by RCPT: no server, a server that
// breaks off, an answer of "later". decide sees a 2xx or 5xx reply to RCPT.
func (f Facts) judge(c plan.Check, mail, rcpt smtpclient.Reply, err error, decide func(*plan.Check)) plan.Check {
	switch {
	case err != nil:
		return f.silent(c, err)
	case !mail.Accepted():
		c.Status, c.Got = plan.Skip, "MAIL FROM:<> was answered "+mail.String()
		c.Hint = cmp.Or(hintOf(mail), "a server must accept the null sender (RFC 5321 section 4.5.5): look at its sender checks")
	case !rcpt.Accepted() && !rcpt.Refused():
		c.Status, c.Got = plan.Skip, "not decided: "+rcpt.String()
		c.Hint = cmp.Or(hintOf(rcpt), "the server says \"later\": where that is greylisting, verify again in some minutes; see smtp.refusing")
	default:
		c.Got = rcpt.String()
		decide(&c)
	}
	return c
}
