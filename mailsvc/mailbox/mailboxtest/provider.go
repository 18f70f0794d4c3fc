// Package mailboxtest is a mailbox provider for tests: submission and IMAP, with a mailbox in memory. What becomes of
// a message that is handed in is the test's.
package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Login of the mailbox.
const (
	User     = "mario@provider.example"
	Password = "provider-s3cret"
	Spam     = "Junk"
)

// Provider has one mailbox. Handed is called for each message that is handed in.
type Provider struct {
	Submission, IMAP string // host:port
	Handed           func(from, to string, message []byte) error

	user *imapmemserver.User
	mu   sync.Mutex
	sent int
}

// Start serves on the two listeners until the test ends; nil makes one on loopback.
func Start(t testing.TB, submission, mailbox net.Listener) *Provider {
	return StartFor(t, User, Password, submission, mailbox)
}

// StartFor is Start for another login.
func StartFor(t testing.TB, user, password string, submission, mailbox net.Listener) *Provider {
	t.Helper()
	p := &Provider{user: imapmemserver.NewUser(user, password)}
	for _, name := range []string{"INBOX", "Sent", Spam} {
		if err := p.user.Create(name, nil); err != nil {
			t.Fatal(err)
		}
	}

	submission = orLoopback(t, submission)
	mailbox = orLoopback(t, mailbox)
	p.Submission, p.IMAP = submission.Addr().String(), mailbox.Addr().String()
	memory := imapmemserver.New()
	memory.AddUser(p.user)
	imapServer := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true,
	})

	smtpServer := smtp.NewServer(p)
	smtpServer.AllowInsecureAuth = true
	smtpServer.Domain = "provider.example"
	go imapServer.Serve(mailbox)
	go smtpServer.Serve(submission)
	t.Cleanup(func() {
		imapServer.Close()
		smtpServer.Close()
	})

	return p
}

func orLoopback(t testing.TB, l net.Listener) net.Listener {
	t.Helper()
	if l != nil {
		return l
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// Create makes a folder.
func (p *Provider) Create(folder string) error { return p.user.Create(folder, nil) }

// Put puts a message into a folder.
func (p *Provider) Put(folder string, message []byte) error {
	_, err := p.user.Append(folder, literal{bytes.NewReader(message)},
		&imap.AppendOptions{Time: time.Now()})
	return err
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return int64(l.Len()) }

// Count is how many messages are in a folder.
func (p *Provider) Count(folder string) int {
	status, err := p.user.Status(folder, &imap.StatusOptions{NumMessages: true})
	if err != nil || status.NumMessages == nil {
		return -1
	}
	return int(*status.NumMessages)
}

// Sent is how many messages were handed in.
func (p *Provider) Sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// NewSession implements smtp.Backend.
func (p *Provider) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{p: p}, nil }

type session struct {
	p        *Provider
	from, to string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != User || password != Password {
			return &smtp.SMTPError{
				Code:         535,
				EnhancedCode: smtp.EnhancedCode{5, 7, 8},
				Message:      "wrong user or password",
			}
		}

		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = to; return nil }
func (s *session) Reset()                                      {}
func (s *session) Logout() error                               { return nil }

func (s *session) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}

	s.p.mu.Lock()
	s.p.sent++
	s.p.mu.Unlock()

	if s.p.Handed == nil {
		return errors.New("the test takes no message")
	}

	return s.p.Handed(s.from, s.to, message)
}
