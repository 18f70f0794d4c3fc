package mailsvc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// The servers that only say whether their configuration is valid: what they do is seen by
// SMTP; what is not valid is an error; where the command is not, only SMTP tells.
func TestValidated(t *testing.T) {
	addr := (&smtptest.Server{}).Start(t)
	for _, v := range []ConfigChecker{OpenSMTPD(), Mox(), Maddy()} {
		t.Run(v.Name, func(t *testing.T) {
			for _, c := range []struct {
				name string
				err  error
				want string
			}{
				{"valid", nil, ""},
				{"not valid", errors.New("mox: line 3: unknown key"), "configuration of " + v.Name + " is not valid: mox: line 3"},
				{"not here", command.ErrMissing, ""},
			} {
				said := ""
				driver := v.Driver(addr, "nomeazienda.it",
					func(_ context.Context, _, name string, args ...string) (string, error) {
						said = strings.Join(append([]string{name}, args...), " ")
						return "", c.err
					})

				needs := []plan.Item{{Key: key("hostname"), Lines: []string{smtptest.Host}},
					{Key: key("alias abuse@nomeazienda.it"), Lines: []string{"mario"}},
					{Key: key("relaying"), Lines: []string{mail.Refused, "trusts 10.0.0.0/8"}},
					{Key: key("signing nomeazienda.it"), Lines: []string{"selector s1"}}}

				var keys []plan.Key
				for _, it := range driver.Spell(needs) {
					keys = append(keys, it.Key)
					if it.ByHand == "" || strings.ContainsAny(strings.ReplaceAll(it.ByHand,
						"{ reject", ""), "{") && v.Name != "maddy" {
						t.Errorf("%s: %q", it.Key, it.ByHand)
					}
				}

				items, err := driver.Read(t.Context(), keys)
				if said != strings.Join(v.Command, " ") {
					t.Errorf("ran %q", said)
				}

				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%s: %v", c.name, err)
					}
					continue
				}

				if err != nil || len(items) != 4 || items[0].Lines[0] != smtptest.Host ||
					items[1].Lines[0] != Accepted || items[2].Lines[0] != mail.Refused ||
					items[3].Unreadable == "" {
					t.Errorf("%s: %+v, %v", c.name, items, err)
				}
			}
		})
	}
}

// Debian's smtpd itself, and the rules that the words give.
func TestRealOpenSMTPD(t *testing.T) {
	const binary = "/var/cache/mailpub-tests/opensmtpd/usr/sbin/smtpd"
	if _, err := os.Stat(binary); err != nil || os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no OpenSMTPD: run .ci/setup as root: %v", err)
		}
		t.Skip("left out: needs root, and Debian's OpenSMTPD, which .ci/setup unpacks")
	}

	conf := filepath.Join(t.TempDir(), "smtpd.conf")
	v := OpenSMTPD()
	v.Command = []string{binary, "-n", "-f", conf}

	for text, want := range map[string]string{
		"listen on 127.0.0.1 port 2599 hostname \"mail.nomeazienda.it\"\naction \"local\" mbox\n" +
			"match !auth from any mail-from \"@nomeazienda.it\" for any reject\nmatch from any for domain \"nomeazienda.it\" action \"local\"\n": "",
		"matsch from any\n": "configuration of OpenSMTPD is not valid: ",
	} {
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}

		_, err := v.Driver((&smtptest.Server{}).Start(t), "nomeazienda.it",
			nil).Read(t.Context(), []plan.Key{key("hostname")})

		if want == "" && err != nil || want != "" &&
			(err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "syntax error")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
