package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/lazy"
)

const (
	// firstPause is how long a server that greylists and names no time is left alone before the second
	// try. The pause doubles, up to longestPause.
	firstPause   = 5 * time.Second
	longestPause = time.Minute
)

// greylisted matches the words of servers that defer the first message of a new sender (RFC 6647):
// postgrey, sqlgrey, milter-greylist, MDaemon, mailcow and others name it; rspamd says no more than that
// it wants a second try, and spamdyke and some others name a time.
var greylisted = lazy.Regexp(`(?i)gr[ae]y.?list|postgrey|sqlgrey|4\.7\.1 try again later$|(?:try again|come back|retry) (?:in|after) \d`)

// Greylisted reports whether the words of a reply of 4xx defer a sender for being new.
func Greylisted(words string) bool { return greylisted().MatchString(strings.TrimSpace(words)) }

// namedPause finds the time that a server names: "00:05:00", "300 seconds", "5 minutes".
var namedPause = lazy.Regexp(`(?i)\b(?:(\d{1,2}):(\d\d):(\d\d)|(\d{1,4}) ?(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?))\b`)

// pauseNamed returns the time after which a server takes the sender, as its words name it; 0 if they
// name none.
func pauseNamed(words string) time.Duration {
	m := namedPause().FindStringSubmatch(words)
	if m == nil {
		return 0
	}

	count := func(digits string) time.Duration {
		n, _ := strconv.Atoi(digits) // "" is 0
		return time.Duration(n)
	}

	if m[1] != "" {
		return count(m[1])*time.Hour + count(m[2])*time.Minute + count(m[3])*time.Second
	}

	unit := time.Second
	switch strings.ToLower(m[5])[0] {
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	}

	return count(m[4]) * unit
}

// answer is what a server answers in one transaction.
type answer struct {
	mail, rcpt smtpclient.Reply
	err        error
	waited     time.Duration // how long the server deferred the sender before it decided; 0 if it did not
}

// decisive is the reply that ended the transaction.
func (a answer) decisive() smtpclient.Reply { return smtpclient.DecisiveReply(a.mail, a.rcpt) }

// isGreylisting reports whether the server defers the sender for being new.
func (a answer) isGreylisting() bool {
	r := a.decisive()
	return a.err == nil && r.Code/100 == 4 && Greylisted(r.String())
}

// note adds to a finding how long the server deferred the sender.
func (a answer) note(got string) string {
	if a.waited == 0 {
		return got
	}
	return fmt.Sprintf("%s (greylisted for %v first)", got, a.waited.Round(time.Second))
}

// patiently asks n questions, and again those whose sender the server greylists, until it decides them or
// the patience ends. The questions wait together. A server that is slow is asked several at once: ask
// must be safe for that.
func (f Facts) patiently(ctx context.Context, n int, ask func(i int) answer) []answer {
	answers := make([]answer, n)
	open := indexes(n)
	for _, some := range [][]int{open[:min(n, 1)], open[min(n, 1):]} { // the first shows how the server is
		f.pace.askEach(some, func(i int) { answers[i] = ask(i) })
	}

	for r := f.newRetry(); ; {
		open = slices.DeleteFunc(open, func(i int) bool {
			return !answers[i].isGreylisting()
		})

		if len(open) == 0 || !r.Wait(ctx, answers[open[0]].decisive().String()) {
			return answers
		}

		f.pace.askEach(open, func(i int) {
			answers[i] = ask(i)
			answers[i].waited = time.Since(r.began)
		})
	}
}

// Retry is when a server that greylists is asked again. Not safe for concurrent use.
type Retry struct {
	began    time.Time
	first    time.Duration
	pause    time.Duration
	patience time.Duration
}

// NewRetry begins to wait. The first pause is doubled each time, up to a minute; a try that would be
// later than the patience is none.
func NewRetry(first, patience time.Duration) *Retry {
	return &Retry{
		began:    time.Now(),
		first:    first,
		pause:    first,
		patience: patience,
	}
}

func (f Facts) newRetry() *Retry { return NewRetry(firstPause, f.Patience) }

// Wait waits for the next try: for as long as the words of the server say, or else twice as long each
// time. It returns false, at once, if the next try would be later than the patience.
func (r *Retry) Wait(ctx context.Context, words string) bool {
	pause := r.pause
	if named := pauseNamed(words); named > 0 {
		pause = max(named+time.Second-time.Since(r.began), r.first)
	}

	r.pause = min(2*r.pause, longestPause)
	if time.Since(r.began)+pause > r.patience {
		return false
	}

	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// envelope is the sender and the recipient of a message, in brackets.
type envelope struct{ from, to string }

// fromNull are the envelopes of messages without a sender, as bounces are.
func fromNull(addresses []string) (all []envelope) {
	for _, a := range addresses {
		all = append(all, envelope{"<>", "<" + a + ">"})
	}
	return all
}

// tryRecipient asks once, on a connection of its own.
func (f Facts) tryRecipient(ctx context.Context, from, to string) (mail, rcpt smtpclient.Reply, err error) {
	a := smtpclient.Prober{Dial: f.Dial, Addr: f.Addr}
	defer a.Close()
	return a.Ask(ctx, from, to)
}

// tryRecipients asks about each envelope on a connection of its own.
func (f Facts) tryRecipients(ctx context.Context, envelopes ...envelope) []answer {
	return f.patiently(ctx, len(envelopes), func(i int) (a answer) {
		a.mail, a.rcpt, a.err = f.tryRecipient(ctx, envelopes[i].from, envelopes[i].to)
		return a
	})
}

// deferred is what a check says if the server did not decide. A server that greylists keeps new senders
// waiting, which is its right.
func (f Facts) deferred(c plan.Check, words string) plan.Check {
	c.Status = plan.Skip
	c.Got = "not decided: " + words
	c.Hint = "the server says \"later\": verify again in some minutes; see smtp.refusing"

	if Greylisted(words) {
		c.Hint = fmt.Sprintf("the server greylists new senders for longer than the %v of verify.patience: verify again in some minutes, or with a longer verify.patience",
			f.Patience)
	}

	return c
}
