package postfix

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// probe is a question to a server, before and after a site is set up.
type probe struct {
	name string
	want int // the class of the right answer: 2 or 5; 0: as it was before
	addr string
	from string
	to   string
	as   string // who logs in; "" for nobody
}

// probes are what senders, users and the machine itself ask of a server.
func probes(c fieldCase) (all []probe) {
	known := "postmaster@nomeazienda.it" // who is accepted before, if anybody is
	if len(c.accepted) > 0 {
		known = c.accepted[0]
	}

	const outside, here = "10.10.10.10:25", "127.0.0.1:25"
	for _, to := range slices.Concat(c.accepted,
		[]string{"postmaster@nomeazienda.it", "abuse@nomeazienda.it"}) {
		all = append(all, probe{
			name: "for " + to,
			want: 2,
			addr: outside,
			to:   to,
		})
	}

	const mario, anna, foreign = "mario@nomeazienda.it", "anna@nomeazienda.it", "somebody@relay-test.invalid"
	all = append(all,
		probe{name: "for nobody", addr: outside, to: "nosuch@nomeazienda.it"},
		probe{
			name: "outside relays",
			want: 5,
			addr: outside,
			from: "a@example.org",
			to:   foreign,
		},
		probe{
			name: "outside as mario",
			want: 5,
			addr: outside,
			from: mario,
			to:   known,
		},
		probe{
			name: "outside to root",
			want: 5,
			addr: outside,
			to:   "root",
		},
		probe{
			name: "machine relays",
			addr: here,
			from: "a@example.org",
			to:   foreign,
		},
		probe{
			name: "machine as mario",
			addr: here,
			from: mario,
			to:   foreign,
		},
		probe{name: "machine to root", addr: here, to: "root"},
		probe{
			name: "outside relays at 587",
			want: 5,
			addr: "10.10.10.10:587",
			from: "a@example.org",
			to:   foreign,
		},
		probe{
			name: "machine as mario at 587",
			addr: "127.0.0.1:587",
			from: mario,
			to:   foreign,
		},
	)

	for _, port := range []string{"25", "587"} {
		for _, from := range []string{mario, anna} {
			all = append(all, probe{
				name: "mario logs in at " + port + " as " + from,
				addr: "10.10.10.10:" + port,
				from: from,
				to:   foreign,
				as:   "mario",
			})
		}
	}

	return all
}

// ask returns the code of the answer that decides; 0 where nobody answers, or takes no login.
func (p probe) ask(t *testing.T, l *lab.Lab) int {
	t.Helper()
	var code int
	for range 3 { // policies may put off
		code = p.once(t, l)
		if code/100 != 4 {
			return code
		}
		time.Sleep(500 * time.Millisecond)
	}

	return code
}

func (p probe) once(t *testing.T, l *lab.Lab) int {
	if p.as == "" {
		a := &smtpclient.Prober{Dial: l.Dial("lan"), Addr: p.addr}
		defer a.Close()
		from, rcpt, err := a.Ask(t.Context(), "<"+p.from+">", "<"+p.to+">")
		if err != nil {
			return 0
		}
		return smtpclient.DecisiveReply(from, rcpt).Code
	}

	c, err := smtpclient.Hello(t.Context(), l.Dial("lan"), p.addr)
	if err != nil {
		return 0
	}

	defer c.Close()

	if _, err := c.StartTLS(t.Context(), "mail.nomeazienda.it"); err == nil {
		if c.Greet(t.Context()) != nil {
			return 0
		}
	}

	login := base64.StdEncoding.EncodeToString([]byte("\x00" + p.as + "\x00correct horse"))
	for _, line := range []string{"AUTH PLAIN " + login, "MAIL FROM:<" + p.from + ">",
		"RCPT TO:<" + p.to + ">"} {
		r, err := c.Command(t.Context(), line)
		switch {
		case err != nil, strings.HasPrefix(line, "AUTH") && !r.Accepted():
			return 0
		case !r.Accepted() || strings.HasPrefix(line, "RCPT"):
			return r.Code
		}
	}

	return 0
}

// verdict compares two answers.
func (p probe) verdict(before, after int) string {
	switch {
	case before/100 == after/100:
		return "same"
	case p.want != 0 && after/100 == p.want, p.as != "" && before == 0: // a login that was not taken is
		return "better"
	}
	return "worse"
}

// policy is a policy service of Postfix (SMTPD_POLICY_README) in a namespace; answer makes an action of
// the attributes of a request.
func policy(t *testing.T, l *lab.Lab, answer func(map[string]string) string) {
	t.Helper()
	listener := l.Listen(t, "lan", "127.0.0.1:7777")
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer c.Close()

				attributes := map[string]string{}
				for in := bufio.NewScanner(c); in.Scan(); {
					name, value, ok := strings.Cut(in.Text(), "=")
					if ok {
						attributes[name] = value
						continue
					}
					fmt.Fprintf(c, "action=%s\n\n", answer(attributes))
					attributes = map[string]string{}
				}
			}()
		}
	}()
}

// appendTo adds to a file of the installation.
func (i *installed) appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}

	defer f.Close()

	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// submission is port 587 with logins, by -o, as distributions have it.
func (i *installed) submission(t *testing.T, options ...string) {
	t.Helper()
	i.postconf(t, "-M", "submission/inet=submission inet n - n - - smtpd")
	all := append([]string{"smtpd_sasl_auth_enable=yes", "smtpd_sasl_type=dovecot",
		"smtpd_sasl_path=private/auth",
		"smtpd_relay_restrictions=permit_sasl_authenticated,reject"}, options...)

	for _, o := range all {
		i.postconf(t, "-P", "submission/inet/"+strings.ReplaceAll(o, " ", "")) // which takes no blanks
	}

	i.authSocket(t)
}

// authSocket lets Dovecot listen where Postfix asks for logins, as an administrator has it.
func (i *installed) authSocket(t *testing.T) {
	t.Helper()
	i.appendTo(t, strings.TrimSuffix(i.Dovecot, "dovecot.conf")+"local.conf",
		"service auth {\n  unix_listener "+i.Root+
			"/spool/private/auth {\n    mode = 0660\n    user = postfix\n    group = postfix\n  }\n}\n")
	run(t, "install", "-d", "-o", "postfix", "-m", "700", i.Root+"/spool/private")
}
