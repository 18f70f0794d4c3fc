package check

import (
	"context"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// lasting is how long a refusal of everybody must last to be a failure.
const lasting = 15 * time.Second

// refusing sees whether the server takes any mail now: 4xx to everybody keeps all mail out as a
// closed port does, only that each sender tries again for days.
func (f Facts) refusing(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPRefusing,
		Subject: plan.OfAddr(f.Addr),
		Want:    "mail is taken",
		Ref:     "RFC 5321 section 4.2.1",
	}

	if len(f.Domains) == 0 {
		c.Status = plan.Skip
		c.Got = "this server receives mail for no domain of the config"
		c.Hint = "if it should take a domain's mail, give the domain an MX here (domains: mx:)"
		return singleCheck(c)
	}

	words, waited, err := f.refusesLongest(ctx)
	switch {
	case err != nil:
		return singleCheck(f.unreachable(c, err))
	case words == "":
		c.Status = plan.Pass
		c.Got = answer{waited: waited}.note("postmaster@" + f.Domains[0] + " is not deferred")
		return singleCheck(c)
	case Greylisted(words):
		c = f.deferred(c, words)
		c.Got = words
		return singleCheck(c)
	}

	c.Status = plan.Fail
	c.Got = words
	c.Hint = "the server defers all mail: its log says why (a full disk, a filter that does not run, too much load)"

	select {
	case <-ctx.Done():
		c.Status = plan.Warn
		return singleCheck(c)
	case <-time.After(lasting):
	}

	if again, err := f.refusesAll(ctx); err == nil && again == "" {
		c.Status = plan.Warn
		c.Got = "for a moment: " + words
	}

	return singleCheck(c)
}

// refusesLongest returns the words of a server that greylists only after the patience, and how long it
// deferred the sender if it took it then.
func (f Facts) refusesLongest(ctx context.Context) (words string, waited time.Duration, err error) {
	words, err = f.refusesAll(ctx)
	r := f.newRetry()
	for err == nil && Greylisted(words) && r.Wait(ctx, words) {
		words, err = f.refusesAll(ctx)
		waited = time.Since(r.began)
	}
	return words, waited, err
}

// refusesAll returns the words with which the server puts off whoever writes to the postmaster, "" where
// it does not.
func (f Facts) refusesAll(ctx context.Context) (words string, err error) {
	d, err := smtpclient.Connect(ctx, f.Dial, f.Addr)
	if err != nil {
		return "", err
	}

	greeting := d.Greeting
	d.Close()
	if greeting.Code/100 == 4 {
		return greeting.String(), nil
	}

	for _, domain := range f.Domains {
		mail, rcpt, err := f.tryRecipient(ctx, "<>", "<postmaster@"+domain+">")
		if err != nil {
			return "", err
		}

		r := smtpclient.DecisiveReply(mail, rcpt)
		if r.Code/100 != 4 {
			return "", nil
		}

		words = r.String()
	}

	return words, nil
}
