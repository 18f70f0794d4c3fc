package mailbox

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/mailbox/mailboxtest"
)

func account(p *mailboxtest.Provider, password string) *Account {
	return &Account{
		Address:    mailboxtest.User,
		User:       mailboxtest.User,
		Submission: p.Submission,
		IMAP:       p.IMAP,
		Password:   func(context.Context) (string, error) { return password, nil },
	}
}

// A message that was handed in is found by its word, in any folder, and taken away again.
func TestRoundTrip(t *testing.T) {
	p := mailboxtest.Start(t, nil, nil)
	var from, to string
	p.Handed = func(f, r string, message []byte) error {
		from, to = f, r
		return errors.Join(p.Put("Sent", message),
			p.Put(mailboxtest.Spam, append([]byte("Subject: ***SPAM***\r\nX-Old-"),
				message...)),
			p.Put("INBOX", []byte("Subject: another\r\n\r\nword-2\r\n")))
	}

	a := account(p, mailboxtest.Password)
	if err := a.Submit(t.Context(), mailboxtest.User, "postmaster@nomeazienda.it",
		[]byte("Subject: word-1\r\n\r\ntext\r\n")); err != nil {
		t.Fatal(err)
	}

	if from != mailboxtest.User || to != "postmaster@nomeazienda.it" {
		t.Errorf("from %s to %s", from, to)
	}

	s, err := a.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer s.Close()

	found, err := s.Find("word-1", time.Now())
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v %v", found, err)
	}

	if !found[0].Spam || found[0].Folder != mailboxtest.Spam ||
		!strings.Contains(string(found[0].Raw), "text") {
		t.Errorf("%+v", found[0])
	}

	for _, m := range found {
		if err := s.Delete(m); err != nil {
			t.Error(err)
		}
	}

	if p.Count("INBOX") != 1 || p.Count(mailboxtest.Spam) != 0 || p.Count("Sent") != 0 {
		t.Errorf("left: %d %d %d", p.Count("INBOX"), p.Count(mailboxtest.Spam), p.Count("Sent"))
	}

	n := 0
	if err := s.Each(time.Now(), 10, func(raw []byte, at time.Time) {
		if time.Since(at).Abs() > time.Hour {
			t.Errorf("arrived at %v", at)
		}
		n += strings.Count(string(raw), "word-2")
	}); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

// A folder that the provider makes after the login is looked into as well.
func TestNewFolder(t *testing.T) {
	p := mailboxtest.Start(t, nil, nil)
	s, err := account(p, mailboxtest.Password).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer s.Close()

	if found, err := s.Find("word-1", time.Now()); err != nil || len(found) != 0 {
		t.Fatalf("%+v %v", found, err)
	}

	if err := p.Create("Bulk Mail"); err != nil {
		t.Fatal(err)
	}

	if err := p.Put("Bulk Mail", []byte("Subject: word-1\r\n\r\ntext\r\n")); err != nil {
		t.Fatal(err)
	}

	if found, err := s.Find("word-1", time.Now()); err != nil || len(found) != 1 ||
		!found[0].Spam {
		t.Errorf("%+v %v", found, err)
	}
}

func TestFaults(t *testing.T) {
	p := mailboxtest.Start(t, nil, nil)
	p.Handed = func(string, string, []byte) error { return nil }
	wrong := account(p, "wrong-s3cret")
	if err := wrong.Submit(t.Context(), "a@b.it", "c@d.it",
		[]byte("x\r\n")); !errors.Is(err, ErrLogin) ||
		strings.Contains(err.Error(), "wrong-s3cret") {
		t.Errorf("%v", err)
	}

	if _, err := wrong.Open(t.Context()); !errors.Is(err, ErrLogin) ||
		strings.Contains(err.Error(), "wrong-s3cret") {
		t.Errorf("%v", err)
	}

	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer mute.Close()

	slow := account(p, mailboxtest.Password)
	slow.IMAP, slow.Submission = mute.Addr().String(), mute.Addr().String()
	for name, try := range map[string]func(context.Context) error{
		"IMAP": func(ctx context.Context) error {
			_, err := slow.Open(ctx)
			return err
		},
		"submission": func(ctx context.Context) error {
			return slow.Submit(ctx, "a@b.it", "c@d.it", []byte("x"))
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		if err := try(ctx); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s that never greets: %v after %v", name, err, time.Since(began))
		}
		cancel()
	}

	none := account(p, mailboxtest.Password)
	none.Password = func(context.Context) (string, error) {
		return "", errors.New("the environment has no X")
	}

	if _, err := none.Open(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "has no X") {
		t.Errorf("%v", err)
	}

	clear := account(p, mailboxtest.Password) // not on this machine, and without TLS
	clear.Submission = "192.0.2.1:587"
	clear.IMAP = "192.0.2.1:143"
	clear.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		to := p.Submission
		if strings.HasSuffix(address, "143") {
			to = p.IMAP
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}

	before := p.Sent()
	if err := clear.Submit(t.Context(), "a@b.it", "c@d.it", []byte("x\r\n")); err == nil ||
		!strings.Contains(err.Error(), "STARTTLS") || p.Sent() != before {
		t.Errorf("in the clear: %v", err)
	}

	if _, err := clear.Open(t.Context()); !errors.Is(err, ErrClear) {
		t.Errorf("in the clear: %v", err)
	}
}

func TestXOAUTH2(t *testing.T) {
	mechanism, response, err := (&xoauth2{user: "a@b.it", token: "t"}).Start()
	if mechanism != "XOAUTH2" || string(response) != "user=a@b.it\x01auth=Bearer t\x01\x01" ||
		err != nil {
		t.Errorf("%s %q %v", mechanism, response, err)
	}
}

func TestSpamNames(t *testing.T) {
	for name, spam := range map[string]bool{"Junk": true, "Posta indesiderata": true,
		"INBOX": false, "Sent": false, "spamming": false, "Courrier indésirable": true} {
		if isSpamName(name) != spam {
			t.Errorf("%s: %v", name, !spam)
		}
	}
}
