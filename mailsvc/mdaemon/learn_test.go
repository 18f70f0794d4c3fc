package mdaemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/mdaemon/mdaemontest"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// Every setting is found by what changes with it, among files in which other things change as well.
func TestLearn(t *testing.T) {
	for _, s := range Settings() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			server := mdaemontest.Start(t)
			l := Learner{App: &App{Dir: server.App}, Quiet: 20 * time.Millisecond}
			l.Ask = func(_ context.Context, o Instruction) error {
				switch {
				case o.AsItWas:
					server.Enter(s.Name, "localhost")
				case s.Text:
					server.Enter(s.Name, o.Text)
				default:
					server.Tick(s.Name, o.Tick)
				}

				return nil
			}

			got, err := l.Learn(t.Context(), s)
			if want := learnt().Settings[s.Name]; err != nil || got != want {
				t.Errorf("%+v %v, want %+v", got, err, want)
			}
		})
	}
}

func TestLearnFaults(t *testing.T) {
	relaying, _ := LookupSetting("relaying")
	for _, c := range []struct {
		name string
		do   func(*mdaemontest.Server, Instruction) error
		want string
	}{
		{"nothing was saved", func(*mdaemontest.Server, Instruction) error { return nil }, ErrNoChange.Error()},
		{"another box as well", func(s *mdaemontest.Server, o Instruction) error {
			s.Tick("relaying", o.Tick)
			s.Tick("known-senders", o.Tick)
			return nil
		}, "MDaemon.ini [StandIn] MailMustExist, MDaemon.ini [StandIn] NoRelay"},
		{"the person gives up", func(*mdaemontest.Server, Instruction) error { return errors.New("given up") }, "given up"},
	} {
		server := mdaemontest.Start(t)
		l := Learner{App: &App{Dir: server.App}, Quiet: 20 * time.Millisecond,
			Ask: func(_ context.Context, o Instruction) error { return c.do(server, o) }}
		if _, err := l.Learn(t.Context(), relaying); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}

	l := Learner{
		App: &App{Dir: t.TempDir() + "/none"},
		Ask: func(context.Context, Instruction) error { return nil },
	}

	if _, err := l.Learn(t.Context(), relaying); err == nil ||
		!strings.Contains(err.Error(), "App folder") {
		t.Errorf("%v", err)
	}
}

// The log tells which line refused a session of ours, and of nobody else.
func TestRefusal(t *testing.T) {
	s := mdaemontest.Start(t)
	s.Tick("known-recipients", true)
	since := time.Now()
	p := smtpclient.Prober{Addr: s.SMTP}
	if _, rcpt, err := p.Ask(t.Context(), "<>", "<nobody@nomeazienda.it>"); err != nil ||
		!rcpt.Refused() {
		t.Fatal(rcpt, err)
	}

	p.Close()
	app := &App{Dir: s.App}
	own := func(address string) bool { return strings.HasPrefix(address, "127.0.0.1:") }
	var got string

	for range 100 {
		var err error
		if got, err = app.Refusal("nobody@nomeazienda.it", own, since); err != nil {
			t.Fatal(err)
		}

		if got != "" {
			break
		}

		time.Sleep(20 * time.Millisecond)
	}

	if want := "no account and no alias: 550 5.1.1 recipient unknown"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	if got, err := app.Refusal("nobody@nomeazienda.it", func(string) bool {
		return false
	}, since); got != "" || err != nil {
		t.Errorf("of others: %q %v", got, err)
	}

	if got, err := app.Refusal("other@nomeazienda.it", own, since); got != "" || err != nil {
		t.Errorf("of another address: %q %v", got, err)
	}

	if got, err := app.Refusal("nobody@nomeazienda.it", own,
		since.Add(time.Hour)); got != "" || err != nil {
		t.Errorf("later: %q %v", got, err)
	}
}
