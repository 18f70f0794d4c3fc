package mailsvc

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/plan"
)

// discloses asks VRFY about an address that is known and one that is not, and EXPN. Servers
// that answer both alike tell nothing (RFC 5321 section 7.3).
func discloses(ctx context.Context, a *asker, known, unknown string) (tells bool, said string, err error) {
	for _, verb := range []string{"VRFY", "EXPN"} {
		var replies [2]Reply
		for i, name := range []string{known, unknown} {
			if err = a.open(ctx); err == nil {
				replies[i], err = a.d.say(ctx, verb+" "+name)
			}
			if err != nil {
				a.close()
				return false, "", err
			}
		}
		// 252 is "cannot say": only that and a refusal tell nothing.
		code := replies[0].Code
		if code == replies[1].Code && (code == 252 || replies[0].refused()) {
			continue
		}
		if replies[0].accepted() {
			return true, fmt.Sprintf("%s %s: %s; %s %s: %s", verb, known, replies[0], verb, unknown, replies[1]), nil
		}
	}
	return false, "VRFY and EXPN tell nothing", nil
}

// vrfy sees that the server does not tell who exists.
func (f Facts) vrfy(ctx context.Context) []plan.Check {
	c := plan.Check{ID: "smtp.vrfy", Subject: f.Addr, Want: "VRFY and EXPN disclose nothing", Ref: "RFC 5321 section 7.3"}
	a := asker{dial: f.Dial, addr: f.Addr}
	defer a.close()
	known := "postmaster"
	if len(f.Domains) > 0 {
		known += "@" + f.Domains[0]
	}
	tells, said, err := discloses(ctx, &a, known, "mailpub-nobody")
	switch {
	case err != nil:
		return single(f.silent(c, err))
	case tells:
		c.Status, c.Got, c.Hint = plan.Warn, said, "switch VRFY and EXPN off in the server: they tell spammers which addresses exist"
	default:
		c.Status, c.Got = plan.Pass, said
	}
	return single(c)
}

// relaySender sees that a sender of our own domain must exist.
func (f Facts) relaySender(ctx context.Context) (out []plan.Check) {
	for _, d := range f.Domains {
		from := "mailpub-nobody-" + nonce(f.Now()) + "@" + d
		c := plan.Check{ID: "relay.sender", Subject: "unknown sender at " + d, Want: "refused (550)", Ref: "RFC 5321 section 3.3"}
		mail, rcpt, err := f.try(ctx, "<"+from+">", "<postmaster@"+d+">")
		out = append(out, f.refusal(c, mail, rcpt, err, "let the server refuse senders of its own domains that do not exist"))
	}
	return out
}
