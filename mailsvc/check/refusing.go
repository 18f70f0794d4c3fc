package check

import (
	"context"
	"regexp"
	"strings"
	"sync"
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
	c := plan.Check{ID: catalog.SMTPRefusing, Subject: plan.OfAddr(f.Addr), Want: "mail is taken", Ref: "RFC 5321 section 4.2.1"}
	if len(f.Domains) == 0 {
		c.Status, c.Got, c.Hint = plan.Skip, "the config has no domain whose mail this server takes", "if it should take a domain's mail, give the domain an MX here (domains: mx:)"
		return single(c)
	}
	words, err := f.refusesAll(ctx)
	switch {
	case err != nil:
		return single(f.silent(c, err))
	case words == "":
		c.Status, c.Got = plan.Pass, "postmaster@"+f.Domains[0]+" is not put off"
		return single(c)
	case greylisted().MatchString(words):
		c.Status, c.Got = plan.Skip, words
		c.Hint = "the server puts off who is new to it (greylisting): verify again in some minutes"
		return single(c)
	}
	c.Status, c.Got = plan.Fail, words
	c.Hint = "the server puts everybody off: its log says why (a full disk, a filter that does not run, too much load)"
	select {
	case <-ctx.Done():
		c.Status = plan.Warn
		return single(c)
	case <-time.After(lasting):
	}
	if again, err := f.refusesAll(ctx); err == nil && again == "" {
		c.Status, c.Got = plan.Warn, "for a moment: "+words
	}
	return single(c)
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
		mail, rcpt, err := f.try(ctx, "<>", "<postmaster@"+domain+">")
		if err != nil {
			return "", err
		}
		r := smtpclient.Decisive(mail, rcpt)
		if r.Code/100 != 4 {
			return "", nil
		}
		words = r.String()
	}
	return words, nil
}

// greylisted tells the words of servers that put off who is new to them.
var greylisted = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)gr[ae]y-?list|postgrey|sqlgrey`)
})

// hintOf is what to do about a refusal that names its cause; "" where it names none.
func hintOf(r smtpclient.Reply) string {
	text := strings.ToLower(strings.Join(r.Lines, " "))
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("blocked using", "blacklist", "block list", "blocklist", "dnsbl", "rbl", "spamhaus", "listed by", "listed at", "listed in"):
		return "the server refuses this machine for a block list: see which one its answer names; a list that has shut down answers everything"
	case has("helo command rejected", "ehlo", "invalid helo", "helo/ehlo"):
		return "the server refuses the name in HELO: let it take address literals (RFC 5321 section 4.1.3), or verify from a machine whose name resolves"
	case has("starttls", "tls required", "must issue"):
		return "the server wants TLS first, and it did not come about: see smtp.certificate"
	case has("null sender", "empty sender", "bounces are not", "no bounces"):
		return "the server refuses the null sender, with which bounces come (RFC 5321 section 4.5.5)"
	case has("size limit", "message size", "too large", "too big"):
		return "the server's limit of the message size is in the way: raise it (Postfix: message_size_limit)"
	case has("insufficient system storage", "disk full", "no space", "out of space"):
		return "the server's disk is full: make room where its queue is"
	case has("too many", "rate limit", "slow down"):
		return "the server limits how much one client may ask: verify again in some minutes, or exempt this machine"
	}
	return ""
}
