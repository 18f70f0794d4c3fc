package check

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// postmaster must be accepted in every domain and alone (RFC 5321 section 4.5.1).
func (f Facts) postmaster(ctx context.Context) []plan.Check {
	return f.accounts(ctx, catalog.AccountPostmaster, "postmaster", "RFC 5321 section 4.5.1",
		"postmaster")
}

// abuse must be accepted in every domain (RFC 2142 section 2).
func (f Facts) abuse(ctx context.Context) []plan.Check {
	return f.accounts(ctx, catalog.AccountAbuse, "abuse", "RFC 2142 section 2")
}

func (f Facts) accounts(ctx context.Context, id, local, ref string, addresses ...string) (out []plan.Check) {
	for _, d := range f.Domains {
		addresses = append(addresses, local+"@"+d)
	}

	for i, is := range f.tryRecipients(ctx, fromNull(addresses)...) {
		a := addresses[i]
		c := plan.Check{
			ID:      id,
			Subject: plan.OfName(a),
			Want:    "RCPT accepted",
			Ref:     ref,
		}

		out = append(out, f.evaluate(c, is, func(c *plan.Check) {
			if is.rcpt.Accepted() {
				c.Status = plan.Pass
				return
			}
			c.Status = plan.Fail
			c.Hint = cmp.Or(hintOf(is.rcpt),
				fmt.Sprintf("make %s an alias of a mailbox that is read", a))
		}))
	}

	return out
}

// relayRecipient sees that unknown recipients are refused while the sender still waits.
func (f Facts) relayRecipient(ctx context.Context) (out []plan.Check) {
	var addresses []string
	for _, d := range f.Domains {
		addresses = append(addresses, f.unknownAddress(d))
	}

	for i, is := range f.tryRecipients(ctx, fromNull(addresses)...) {
		d := f.Domains[i]
		c := plan.Check{
			ID: catalog.RelayRecipient,
			Subject: plan.Subject{
				Name: d,
				Text: "unknown recipient at " + d,
			},
			Want: "RCPT refused (550)",
			Ref:  "RFC 5321 section 3.3",
		}

		out = append(out, f.evaluate(c, is, func(c *plan.Check) {
			if is.rcpt.Refused() {
				c.Status = plan.Pass
				return
			}
			c.Status = plan.Fail
			c.Hint = "let the server refuse unknown users at RCPT (no catch-all): else it bounces spam to forged senders, and is listed for it"
		}))
	}

	return out
}
