package check

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func serviceKey(name string) plan.Key { return plan.Key{Kind: mailsvc.Kind, Name: name} }

// bundled starts the receiver that comes with mailpub, as a plan has set it up.
func bundled(t *testing.T) (addr, maildir string) {
	t.Helper()
	dir := t.TempDir()
	driver := &mailsvc.Receiver{Path: filepath.Join(dir, "settings.json")}
	var batch []plan.Change

	for name, text := range map[string]string{
		"hostname": smtptest.Host, "domain nomeazienda.it": mail.Served,
		"alias postmaster":                "mario",
		"alias postmaster@nomeazienda.it": "mario", "alias abuse@nomeazienda.it": "mario",
	} {
		batch = append(batch, plan.Change{
			Key:    serviceKey(name),
			Action: plan.Create,
			After:  []string{text},
		})
	}

	if err := driver.Apply(t.Context(), batch, func(plan.Change, error) {}); err != nil {
		t.Fatal(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	server := &receiver.Server{SettingsPath: driver.Path, Maildir: filepath.Join(dir, "mail")}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	return l.Addr().String(), server.Maildir
}

// The receiver, set up by its driver, passes every check, and the gate before MX.
func TestBundledReceiverPasses(t *testing.T) {
	addr, maildir := bundled(t)
	f := facts(addr)
	f.Maildir = maildir
	f.Closed = true
	f.Services = []Service{{"smtp", addr}}

	for _, id := range append([]string{"port.inside"}, askers...) {
		for _, c := range run(t, f, id) {
			want(t, c, plan.Pass, "")
		}
	}

	if err := smtpclient.GateAnswers(t.Context(), nil, addr, smtptest.Host); err != nil {
		t.Error(err)
	}

	items, err := (&mailsvc.Manual{Addr: addr}).Read(t.Context(),
		[]plan.Key{serviceKey("hostname"), serviceKey("recipient postmaster"),
			serviceKey("recipient nobody@nomeazienda.it")})

	if err != nil || len(items) != 2 {
		t.Errorf("observed %v, %v", items, err)
	}
}

// Every sender with every recipient of the relay forms is refused for good, and the
// session goes on.
func TestBundledReceiverNeverRelays(t *testing.T) {
	addr, _ := bundled(t)
	forms := facts(addr).relayForms()
	senders := map[string]bool{}
	recipients := map[string]bool{}

	for _, f := range forms {
		senders[f.from] = true
		recipients[f.to] = true
	}

	a := smtpclient.Prober{Addr: addr}
	defer a.Close()

	for from := range senders {
		for to := range recipients {
			mail, rcpt, err := a.Ask(t.Context(), from, to)
			if err != nil || !smtpclient.DecisiveReply(mail, rcpt).Refused() {
				t.Errorf("MAIL FROM:%s RCPT TO:%s: %v, %v, %v", from, to, mail, rcpt, err)
			}

			ours := strings.Contains(from, "@nomeazienda.it") ||
				strings.Contains(from, "@"+smtptest.Host)

			if ours && !mail.Refused() {
				t.Errorf("MAIL FROM:%s, a sender of ours, is answered %v", from, mail)
			}
		}
	}

	if n := fmt.Sprintf("%d x %d", len(senders), len(recipients)); n != "8 x 20" {
		t.Errorf("%s forms", n)
	}
}
