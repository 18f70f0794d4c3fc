package check

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
)

// greylister is a server that takes a sender and recipient only some time after it was asked first.
type greylister struct {
	smtptest.Server
	delay time.Duration
	words string
	first bool // before it looks at the recipient; else it defers only what it would take

	mu   sync.Mutex
	seen map[string]time.Time
}

// at returns what it says to a line of a session from that sender.
func (g *greylister) at(from, line string) string {
	if !strings.HasPrefix(line, "RCPT") {
		return ""
	}

	g.mu.Lock()
	defer g.mu.Unlock()

	triple := from + " " + line
	since, known := g.seen[triple]
	if !known {
		since = time.Now()
		g.seen[triple] = since
	}

	takes := strings.Contains(line, "<postmaster") || strings.Contains(line, "<abuse")
	if time.Since(since) < g.delay && (g.first || takes) {
		return g.words
	}

	return ""
}

func newGreylister(delay time.Duration, words string, first bool) *greylister {
	g := &greylister{
		delay: delay,
		words: words,
		first: first,
		seen:  map[string]time.Time{},
	}

	from := "" // sessions of a test follow each other, or ask for the same sender
	g.Reply = func(line string) string {
		if strings.HasPrefix(line, "MAIL") {
			g.mu.Lock()
			from = line
			g.mu.Unlock()
		}

		g.mu.Lock()
		sender := from
		g.mu.Unlock()

		return g.at(sender, line)
	}

	return g
}

// A server that greylists is asked again, and judged by what it does then.
func TestGreylisting(t *testing.T) {
	const minute = time.Minute
	for _, c := range []struct {
		name     string
		delay    time.Duration
		words    string
		first    bool
		patience time.Duration
		status   plan.Status
		longest  time.Duration // that a check may take
	}{
		{"as postgrey says it", 65 * time.Second, "450 4.2.0 Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/", false, 2 * minute, plan.Pass, 2 * minute},
		{"before everything else", 65 * time.Second, "451 4.7.1 Greylisting in action, please come back in 00:01:05", true, 2 * minute, plan.Pass, 70 * time.Second},
		{"as rspamd says it", 20 * time.Second, "451 4.7.1 Try again later", true, 2 * minute, plan.Pass, 40 * time.Second},
		{"as MDaemon says it", minute, "451 Greylisting enabled, try again in 1 minutes", true, 2 * minute, plan.Pass, 70 * time.Second},
		{"for longer than the patience", 10 * minute, "450 4.2.0 Greylisted", true, 2 * minute, plan.Skip, 2 * minute},
		{"for longer than the patience, as it says itself", 15 * minute, "451 4.7.1 Greylisted for 15 minutes", true, 2 * minute, plan.Skip, time.Second},
		{"no patience", minute, "450 4.2.0 Greylisted", true, 0, plan.Skip, time.Second},
	} {
		for _, id := range []string{"account.postmaster", "account.abuse", "relay.open",
			"relay.recipient", "relay.sender", "relay.spoof", "smtp.refusing", "mail.local"} {
			t.Run(c.name+"/"+id, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newGreylister(c.delay, c.words, c.first)
					f := facts("10.10.10.10:25")
					f.Dial = smtptest.Piped(server.Handle)
					f.Patience = c.patience
					began := time.Now()

					for _, is := range run(t, f, id) {
						status := c.status
						if id == "mail.local" || strings.HasPrefix(id, "relay.s") { // there the mailbox can't be read, and the sender is refused
							status = is.Status
						}

						want(t, is, status, "")
						if status == plan.Skip && c.patience > 0 && c.status == plan.Skip &&
							!strings.Contains(is.Hint, "2m0s of verify.patience") {
							t.Errorf("hint %q", is.Hint)
						}

						if c.status == plan.Pass && strings.Contains(is.Got, "not decided") {
							t.Errorf("%s: %s", is.Subject, is.Got)
						}
					}

					if took := time.Since(began); took > c.longest+5*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// What greylisting hid comes to light after it: a server that takes forged senders.
func TestGreylistingHides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newGreylister(30*time.Second, "450 4.2.0 Greylisted", true)
		deferring := server.Reply
		server.Reply = func(line string) string {
			if answer := deferring(line); answer != "" {
				return answer
			}
			if strings.HasPrefix(line, "MAIL") || strings.HasPrefix(line, "RCPT") {
				return "250 2.1.0 ok"
			}
			return ""
		}

		f := facts("10.10.10.10:25")
		f.Dial = smtptest.Piped(server.Handle)
		f.Closed = true
		f.Patience = 2 * time.Minute

		for _, id := range []string{"relay.spoof", "relay.sender", "relay.recipient"} {
			for _, c := range run(t, f, id) {
				want(t, c, plan.Fail, "(greylisted for ")
			}
		}

		want(t, run(t, f, "relay.open")[0], plan.Fail, "25 of 28 accepted")
	})
}

func TestGreylistedWords(t *testing.T) {
	for words, want := range map[string]time.Duration{
		"450 4.2.0 <x@y>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/y.html": 0,
		"450 4.7.1 Greylisted for 5 minutes": 5 * time.Minute,
		"451 4.7.1 Greylisting in action, please come back in 01:05:10": time.Hour +
			5*time.Minute + 10*time.Second,
		"451 4.7.1 You have been greylisted for 300 seconds":                         5 * time.Minute,
		"421 Your address has been graylisted. Try again later.":                     0,
		"451 4.7.1 Try again later":                                                  0,
		"451 Greylisting enabled, try again in 15 minutes":                           15 * time.Minute,
		"451 4.3.0 Host is being grey-listed":                                        0,
		"450 4.7.1 please retry after 90s":                                           90 * time.Second,
		"451 4.7.1 Service unavailable - try again later":                            -1, // a milter that is down
		"452 4.3.1 Insufficient system storage":                                      -1,
		"451 4.3.5 <x@y>: Recipient address rejected: Server configuration problem":  -1,
		"450 4.7.1 Client host rejected: cannot find your hostname, [10.10.10.10]":   -1,
		"421 4.7.0 mail.nomeazienda.it Error: too many errors":                       -1,
		"451 4.3.0 <x@y>: Temporary lookup failure":                                  -1,
		"450 4.1.1 <x@y>: Recipient address rejected: unverified address: try later": -1,
	} {
		if Greylisted(words) != (want >= 0) {
			t.Errorf("%q: greylisting is %v", words, !(want >= 0))
		}
		if want >= 0 && pauseNamed(words) != want {
			t.Errorf("%q: %v, want %v", words, pauseNamed(words), want)
		}
	}
}

// A server that takes 12 s for each reply is judged whole, as one that answers at once.
func TestTarpit(t *testing.T) {
	for _, id := range askers {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &smtptest.Server{Reply: func(string) string {
					time.Sleep(12 * time.Second)
					return ""
				}}

				f := facts("10.10.10.10:25")
				f.Services = []Service{{"submission", "10.10.10.10:587"},
					{"alt", "10.10.10.10:2525"}}

				f.Dial = smtptest.Piped(server.Handle)
				f.Patience = 2 * time.Minute
				began := time.Now()

				for _, c := range run(t, f, id) {
					if c.Status != plan.Pass &&
						!strings.Contains(c.Got, "mailbox can't be read") {
						t.Errorf("%s is %s: %s", c.Subject, c.Status, c.Got)
					}
				}

				if took := time.Since(began); took > checkTimeout {
					t.Errorf("took %v", took)
				}

				t.Log(fmt.Sprint(id, ": ", time.Since(began)))
				time.Sleep(30 * time.Second) // for the server to see that the last one is gone
			})
		})
	}
}
