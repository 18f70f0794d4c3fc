package check

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
)

// The backup MX: asked by RCPT, and never sent anything.
func TestBackup(t *testing.T) {
	says := func(rules map[string]string) *smtptest.Server {
		return &smtptest.Server{Reply: func(line string) string {
			for part, answer := range rules {
				if strings.HasPrefix(line, "RCPT") && strings.Contains(line, part) {
					return answer
				}
			}
			return ""
		}}
	}

	tests := []struct {
		name   string
		server *smtptest.Server
		status plan.Status
		got    string
	}{
		{"knows its recipients", says(nil), plan.Pass, "550 5.1.1 no such user"},
		{"relays", says(map[string]string{"relay-test": "250 ok"}), plan.Fail, "relays: 250 ok"},
		{"takes all", says(map[string]string{"mailpub-nobody": "250 ok"}), plan.Fail, "unknown recipients: 250 ok"},
		{"greylists", says(map[string]string{"mailpub-nobody": "451 later"}), plan.Skip, "not decided: 451 later"},
		{"busy", &smtptest.Server{Greeting: "421 later"}, plan.Skip, "does not answer: greeting is 421"},
		{"closes", &smtptest.Server{Greeting: "-"}, plan.Skip, "the connection was closed"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := test.server.Start(t)
			f := facts(smtptest.UnusedAddr(t))
			f.Backups = []Backup{{"mx2.example.net", "nomeazienda.it"}}
			f.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("192.0.2.25")}, nil
			}

			f.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr != "192.0.2.25:25" {
					t.Errorf("dials %s", addr)
				}
				return (&net.Dialer{}).DialContext(ctx, network, at)
			}

			want(t, one(t, run(t, f, "mail.backup"), "mx2.example.net for nomeazienda.it"),
				test.status, test.got)

			for _, line := range test.server.Said() {
				if strings.HasPrefix(line, "DATA") || strings.HasPrefix(line, "BDAT") {
					t.Error("a message was sent")
				}
			}
		})
	}

	f := facts(smtptest.UnusedAddr(t))
	f.Backups = []Backup{{"mx2.example.net", "nomeazienda.it"}}
	for _, lookup := range []func(context.Context, string) ([]netip.Addr, error){
		func(context.Context, string) ([]netip.Addr, error) {
			return nil, errors.New("SERVFAIL")
		},
		func(context.Context, string) ([]netip.Addr, error) { return nil, nil },
	} {
		f.Lookup = lookup
		want(t, one(t, run(t, f, "mail.backup"), ""), plan.Skip, "")
	}
}

func TestWeak(t *testing.T) {
	const offer = "250-" + smtptest.Host + "\r\n250 AUTH LOGIN PLAIN"
	// The logins come at once, in any order: each gets its own answer.
	auth := func(root, test, admin string) func(string) string {
		answers := map[string]string{"root": root, "test": test, "admin": admin}
		return func(line string) string {
			secret, is := strings.CutPrefix(line, "AUTH PLAIN ")
			if !is {
				return ""
			}

			login, err := base64.StdEncoding.DecodeString(secret)
			if err != nil {
				t.Error(err)
			}

			return answers[strings.Split(string(login), "\x00")[1]]
		}
	}

	const no = "535 5.7.8 wrong"
	tests := []struct {
		name   string
		server *smtptest.Server
		status plan.Status
		got    string
		tries  int
	}{
		{"no AUTH", &smtptest.Server{}, plan.Pass, "not offered", 0},
		{"another mechanism", &smtptest.Server{EHLO: "250-" + smtptest.Host + "\r\n250 AUTH CRAM-MD5"}, plan.Pass, "not offered", 0},
		{"strong", &smtptest.Server{EHLO: offer, Reply: auth(no, no, no)}, plan.Pass, "535", 3},
		{"root", &smtptest.Server{EHLO: offer, Reply: auth("235 welcome", no, no)}, plan.Fail, "root logs in", 3},
		{"admin", &smtptest.Server{EHLO: offer, Reply: auth(no, "-", "235 welcome")}, plan.Fail, "admin logs in", 3},
		{"has enough", &smtptest.Server{EHLO: offer, Reply: auth(no, "421 too many", "421 too many")}, plan.Pass, "breaks off after 1", 3},
		{"closes", &smtptest.Server{EHLO: offer, Reply: auth("-", "-", "-")}, plan.Skip, "closed", 3},
		{"puts off", &smtptest.Server{EHLO: offer, Reply: auth(no, no, "454 later")}, plan.Pass, "breaks off after 2", 3},
		{"can't tell", &smtptest.Server{EHLO: offer, Reply: auth("454 later", "454 later", "-")}, plan.Skip, "", 3},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := facts(test.server.Start(t))
			f.Accounts = true
			c := one(t, run(t, f, "account.weak"), "")
			want(t, c, test.status, test.got)
			tries := 0

			for _, line := range test.server.Said() {
				if strings.HasPrefix(line, "AUTH") {
					tries++
				}
			}

			if tries != test.tries {
				t.Errorf("%d tries, want %d", tries, test.tries)
			}
		})
	}

	for _, c := range Checkers(facts("mail:25")) {
		if slices.Contains(c.IDs, "account.weak") {
			t.Error("passwords are tried though nobody asked for it")
		}
	}
}
