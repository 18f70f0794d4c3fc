package check

import (
	"context"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// vrfy sees that the server does not tell who exists.
func (f Facts) vrfy(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPVRFY,
		Subject: plan.OfAddr(f.Addr),
		Want:    "VRFY and EXPN disclose nothing",
		Ref:     "RFC 5321 section 7.3",
	}

	a := smtpclient.Prober{Dial: f.Dial, Addr: f.Addr}
	defer a.Close()

	known, unknown := "postmaster", "mailpub-nobody"
	if len(f.Domains) > 0 { // both of one form: some servers answer a bare name otherwise
		known += "@" + f.Domains[0]
		unknown += "@" + f.Domains[0]
	}

	tells, said, err := a.Discloses(ctx, known, unknown)
	switch {
	case err != nil:
		return singleCheck(f.unreachable(c, err))
	case tells:
		c.Status = plan.Warn
		c.Got = said
		c.Hint = "switch VRFY and EXPN off in the server: they tell spammers which addresses exist"
	default:
		c.Status = plan.Pass
		c.Got = said
	}

	return singleCheck(c)
}

// relaySender sees that a sender of our own domain must exist.
func (f Facts) relaySender(ctx context.Context) (out []plan.Check) {
	var envelopes []envelope
	for _, d := range f.Domains {
		envelopes = append(envelopes, envelope{"<" + f.unknownAddress(d) + ">",
			"<postmaster@" + d + ">"})
	}

	for i, is := range f.tryRecipients(ctx, envelopes...) {
		d := f.Domains[i]
		c := plan.Check{
			ID: catalog.RelaySender,
			Subject: plan.Subject{
				Name: d,
				Text: "unknown sender at " + d,
			},
			Want: "refused (550)",
			Ref:  "RFC 5321 section 3.3",
		}

		out = append(out, f.refusal(c, is, "configure the server to refuse non-existent senders of its own domains"))
	}

	return out
}
