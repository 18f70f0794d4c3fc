package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/mailsvc/mailbox"
	"github.com/mailpub/mailpub/mailsvc/mailbox/mailboxtest"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
)

// popServer is a POP3 server for mario with the password "se\"cret".
type popServer struct {
	mu       sync.Mutex
	messages []string
	said     []string
	deleted  int
}

func (m *popServer) add(message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, message)
}

// converse answers each line by what reply makes of it, until that is "".
func converse(conn net.Conn, greeting string, reply func(line string) string) {
	defer conn.Close()

	fmt.Fprint(conn, greeting+"\r\n")
	in := bufio.NewScanner(conn)
	for in.Scan() {
		answer := reply(in.Text())
		if answer == "" {
			time.Sleep(time.Millisecond) // see fake.serve
			return
		}
		fmt.Fprint(conn, answer+"\r\n")
	}
}

func (m *popServer) pop3(conn net.Conn) {
	user := ""
	converse(conn, "+OK ready", func(line string) string {
		m.mu.Lock()
		defer m.mu.Unlock()

		m.said = append(m.said, line)
		verb, rest, _ := strings.Cut(line, " ")
		n := 0
		fmt.Sscan(rest, &n)

		switch verb {
		case "USER":
			user = rest
			return "+OK"
		case "PASS":
			if user == "mario" && rest == `se"cret` {
				return "+OK"
			}
			return "-ERR [AUTH] no"
		case "STAT":
			return fmt.Sprintf("+OK %d 1000", len(m.messages))
		case "TOP":
			return "+OK\r\n" + strings.ReplaceAll(m.messages[n-1], "\n", "\r\n") + "\r\n."
		case "DELE":
			m.deleted = n
			return "+OK"
		case "QUIT":
			return "+OK bye"
		}

		return "-ERR what"
	})
}

func TestMailRead(t *testing.T) {
	secret := func(s string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return s, nil }
	}

	serveMail := func(t *testing.T, m *popServer, stored func(string)) Facts {
		f := facts((&smtptest.Server{Stored: stored}).Start(t))
		f.Mailbox = &Mailbox{User: "mario", Password: secret(`se"cret`)}
		return f
	}

	checks := func(f Facts) []plan.Check {
		var found []plan.Check
		for _, c := range Checkers(f) {
			if c.IDs[0] == "mail.local" {
				found = c.Run(t.Context())
			}
		}

		for _, c := range found {
			if c.Subject == (plan.Subject{}) || c.Want == "" || c.Got == "" || c.Ref == "" ||
				(c.Hint == "") != (c.Status == plan.Pass) ||
				strings.Contains(fmt.Sprint(c), "cret") {
				t.Errorf("incomplete: %+v", c)
			}
		}

		return found
	}

	imap := func(t *testing.T) *mailboxtest.Provider {
		return mailboxtest.StartFor(t, "mario", `se"cret`, nil, nil)
	}

	t.Run("both find it, the last deletes it", func(t *testing.T) {
		m := &popServer{messages: []string{"Subject: another", "Subject: one more"}}
		i := imap(t)
		f := serveMail(t, m, func(message string) {
			m.add(message)
			i.Put("INBOX", []byte(message))
		})

		f.Mailbox.IMAP = i.IMAP
		f.Mailbox.POP3 = smtptest.Serve(t, m.pop3)
		found := checks(f)

		if len(found) != 3 {
			t.Fatalf("%+v", found)
		}

		want(t, found[0], plan.Pass, "accepted (250")
		want(t, found[1], plan.Pass, "found")
		want(t, found[2], plan.Pass, "found")

		if m.deleted != 3 || i.Count("INBOX") != 1 {
			t.Errorf("deleted %d after %q; %d in the inbox", m.deleted, m.said,
				i.Count("INBOX"))
		}
	})

	t.Run("IMAP alone deletes it alone", func(t *testing.T) {
		i := imap(t)
		i.Put("INBOX", []byte("Subject: another\r\n\r\n"))
		f := serveMail(t, nil, func(message string) { i.Put("INBOX", []byte(message)) })
		f.Mailbox.IMAP = i.IMAP
		want(t, checks(f)[1], plan.Pass, "found")

		if i.Count("INBOX") != 1 {
			t.Errorf("%d in the inbox", i.Count("INBOX"))
		}
	})

	t.Run("a filter moved it", func(t *testing.T) {
		i := imap(t)
		f := serveMail(t, nil, func(message string) {
			i.Put(mailboxtest.Spam, []byte(message))
		})
		f.Mailbox.IMAP = i.IMAP
		want(t, checks(f)[1], plan.Pass, "found")
	})

	t.Run("a wrong password", func(t *testing.T) {
		m := &popServer{}
		f := serveMail(t, m, m.add)
		f.Mailbox.IMAP = imap(t).IMAP
		f.Mailbox.POP3 = smtptest.Serve(t, m.pop3)
		f.Mailbox.Password = secret("sicret")
		found := checks(f)
		want(t, found[1], plan.Fail, "the login is refused")
		want(t, found[2], plan.Fail, "login: the server says")
	})

	t.Run("nobody listens, no secret, not accepted", func(t *testing.T) {
		m := &popServer{}
		f := serveMail(t, m, m.add)
		f.Mailbox.POP3 = smtptest.UnusedAddr(t)
		want(t, checks(f)[1], plan.Skip, "connection refused")
		f.Mailbox.Password = func(context.Context) (string, error) {
			return "", errors.New("the environment has no X")
		}

		want(t, checks(f)[1], plan.Skip, "the environment has no X")
		f.Addr = smtptest.UnusedAddr(t)
		want(t, checks(f)[1], plan.Skip, "no message was accepted")
	})

	t.Run("it goes to another mailbox", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := &popServer{messages: []string{"Subject: another"}}
			f := Facts{
				Mailbox: &Mailbox{
					POP3:     "192.168.1.1:110",
					User:     "mario",
					Password: secret(`se"cret`),
				},
				Dial: smtptest.Piped(m.pop3),
			}

			c := f.fetch(t.Context(), plan.Check{}, "word", time.Now().Add(arrival), true,
				f.inPOP3)

			want(t, c, plan.Fail, "not there after 10s")
		})
	})

	t.Run("no password in the clear outside", func(t *testing.T) {
		m := &popServer{}
		f := Facts{
			Hostname: smtptest.Host,
			Mailbox: &Mailbox{
				IMAP: "192.0.2.1:143",
				POP3: "192.0.2.1:110",
			},
		}

		i := imap(t)
		f.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, i.IMAP)
		}

		if _, err := f.inIMAP(t.Context(), "mario", "secret", "word", true); !errors.Is(err,
			mailbox.ErrClear) {
			t.Error(err)
		}

		f.Dial = smtptest.Piped(m.pop3)
		if _, err := f.inPOP3(t.Context(), "mario", "secret", "word", true); !errors.Is(err,
			mailbox.ErrClear) {
			t.Error(err)
		}

		m.mu.Lock()
		defer m.mu.Unlock()

		for _, line := range m.said {
			if strings.Contains(line, "secret") {
				t.Errorf("said %q", line)
			}
		}
	})
}

// No fault of a mailbox server makes the check pass, or hang.
func TestMailReadFaults(t *testing.T) {
	faults := map[string]func(net.Conn){
		"closes":        func(c net.Conn) { c.Close() },
		"endless lines": smtptest.Drip("* OK more\r\n", 0),
		"endless text":  smtptest.Drip("+OK more\r\nx\r\n", 0),
		"drips":         smtptest.Drip("+", time.Second),
		"1 MB line":     smtptest.Send("* OK " + strings.Repeat("x", 2<<20) + "\r\n"),
		"web":           smtptest.Send("HTTP/1.1 400 Bad Request\r\n"),
		"deaf":          smtptest.Send("+OK\r\n"),
		"changes":       smtptest.Send("* OK\r\nm NO\r\n"),
	}

	for name, handle := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := Facts{
					Dial: smtptest.Piped(handle),
					Mailbox: &Mailbox{
						IMAP: "10.10.10.10:143",
						POP3: "10.10.10.10:110",
						User: "mario",
						Password: func(context.Context) (string, error) {
							return "secret", nil
						},
					},
				}

				for _, look := range []func(context.Context, string, string, string, bool) (bool, error){f.inIMAP,
					f.inPOP3} {
					began := time.Now()
					c := f.fetch(t.Context(), plan.Check{}, "word", time.Now().Add(arrival),
						true, look)
					if c.Status != plan.Fail && c.Status != plan.Skip ||
						time.Since(began) > 2*smtpclient.StepTimeout {
						t.Errorf("%+v after %v", c, time.Since(began))
					}
				}

				time.Sleep(2 * time.Second)
				synctest.Wait()
			})
		})
	}
}
