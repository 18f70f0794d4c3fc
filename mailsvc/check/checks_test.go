package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// facts are those of a site whose mail server is at addr.
func facts(addr string) Facts {
	return Facts{Hostname: smtptest.Host, Addr: addr, Domains: []string{"nomeazienda.it"}}
}

// run runs one check and holds its findings to the rules for all.
func run(t *testing.T, f Facts, id string) []plan.Check {
	t.Helper()
	var found []plan.Check
	for _, c := range plan.SelectCheckers(Checkers(f), []string{id}) {
		found = c.Run(t.Context())
	}

	if len(found) == 0 {
		t.Fatalf("%s found nothing", id)
	}

	for _, c := range found {
		if c.ID != id || c.Subject == (plan.Subject{}) || c.Want == "" || c.Got == "" ||
			c.Ref == "" || (c.Hint == "") != (c.Status == plan.Pass) {
			t.Errorf("incomplete: %+v", c)
		}
	}

	return found
}

// one is the finding about a subject; "" takes the only one.
func one(t *testing.T, found []plan.Check, subject string) plan.Check {
	t.Helper()
	for _, c := range found {
		if strings.Contains(c.Subject.String(), subject) && (subject != "" || len(found) == 1) {
			return c
		}
	}

	t.Fatalf("no finding about %q in %+v", subject, found)
	return plan.Check{}
}

func want(t *testing.T, c plan.Check, status plan.Status, got string) {
	t.Helper()
	if c.Status != status || !strings.Contains(c.Got, got) {
		t.Errorf("%s %s is %q with %q; want %q with %q", c.ID, c.Subject, c.Status, c.Got,
			status, got)
	}
}

func TestCheckersAreWhole(t *testing.T) {
	areas := map[string]string{}
	f := facts("127.0.0.1:25")
	f.Sends = true
	f.Collectors = []string{"pop.example.net"}

	for _, c := range Checkers(f) {
		if len(c.IDs) != 1 {
			t.Errorf("ids %q", c.IDs)
		}
		areas[c.IDs[0]] = c.Area
	}

	for id, area := range map[string]string{
		"port.inside": "router", "port.egress25": "router", "smtp.banner": "mail",
		"account.postmaster": "mail", "account.abuse": "mail",
		"relay.open": "mail", "relay.spoof": "mail", "relay.recipient": "mail",
		"mail.local":   "mail",
		"relay.sender": "mail", "smtp.vrfy": "mail", "smtp.smuggling": "mail",
		"service.config": "mail", "service.delivery": "mail", "service.collector": "mail",
	} {
		if areas[id] != area {
			t.Errorf("%s is of area %q, want %q", id, areas[id], area)
		}
	}
}

// The ids of the checks that ask the mail server.
var askers = []string{"smtp.banner", "account.postmaster", "account.abuse", "relay.open",
	"relay.spoof", "relay.sender", "relay.recipient", "smtp.vrfy", "mail.local",
	"smtp.smuggling"}

// Where nothing listens only port.inside fails.
func TestNothingListens(t *testing.T) {
	f := facts(smtptest.UnusedAddr(t))
	f.Services = []Service{{"smtp", f.Addr}, {"imap", (&smtptest.Server{}).Start(t)}}
	inside := run(t, f, "port.inside")
	want(t, one(t, inside, "smtp at "), plan.Fail, "connection refused")
	want(t, one(t, inside, "imap at "), plan.Pass, "listens")

	for _, id := range askers {
		for _, c := range run(t, f, id) {
			want(t, c, plan.Skip, "no mail server answers at "+f.Addr+": connection refused")
		}
	}

	want(t, one(t, run(t, facts(f.Addr), "port.inside"), ""), plan.Skip, "no forward")
}

// A good server passes everything, and is sent one message.
func TestGoodServer(t *testing.T) {
	messages := 0
	server := &smtptest.Server{Stored: func(string) { messages++ }}
	f := facts(server.Start(t))

	for _, id := range askers {
		for _, c := range run(t, f, id) {
			if id == "mail.local" {
				want(t, c, plan.Skip, "accepted (250 2.0.0 stored), but the mailbox can't be read from here")
				continue
			}
			want(t, c, plan.Pass, "")
		}
	}

	if messages != 1 {
		t.Errorf("%d messages", messages)
	}
}

func TestBanner(t *testing.T) {
	tests := []struct {
		name   string
		fake   *smtptest.Server
		status plan.Status
		got    string
	}{
		{"case", &smtptest.Server{Greeting: "220 MAIL.nomeazienda.it ESMTP"}, plan.Pass, "220 MAIL"},
		{"another server", &smtptest.Server{Greeting: "220 router.lan ESMTP"}, plan.Fail, "220 router.lan ESMTP"},
		{"another name in EHLO", &smtptest.Server{EHLO: "250 localhost"}, plan.Fail, "250 localhost"},
		{"refuses", &smtptest.Server{Greeting: "554 no"}, plan.Fail, "554 no"},
		{"busy", &smtptest.Server{Greeting: "421 later"}, plan.Warn, "421 later"},
		{"closes", &smtptest.Server{Greeting: "-"}, plan.Fail, "the connection was closed"},
		{"refuses EHLO", &smtptest.Server{EHLO: "502 what"}, plan.Fail, "EHLO was answered 502 what"},
		{"a web server", &smtptest.Server{Greeting: "HTTP/1.1 400 Bad Request"}, plan.Fail, "no SMTP reply"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want(t, one(t, run(t, facts(test.fake.Start(t)), "smtp.banner"), ""), test.status,
				test.got)
		})
	}
}

func TestAccounts(t *testing.T) {
	tests := []struct {
		name   string
		reply  func(string) string
		status plan.Status
		got    string
	}{
		{"unknown", smtptest.Answer("RCPT", "550 5.1.1 no such user"), plan.Fail, "550 5.1.1"},
		{"bare one is bad syntax", func(line string) string {
			if line == "RCPT TO:<postmaster>" || strings.Contains(line, "abuse") {
				return "501 syntax"
			}
			return ""
		}, plan.Fail, "501 syntax"},
		{"greylisted", smtptest.Answer("RCPT", "451 4.7.1 later"), plan.Skip, "not decided: 451"},
		{"no null sender", smtptest.Answer("MAIL", "550 no"), plan.Skip, "MAIL FROM:<> was answered 550 no"},
		{"breaks off", smtptest.Answer("RCPT", "-"), plan.Skip, "the connection was closed"},
		{"breaks off when it has decided", smtptest.Answer("RSET", "-"), plan.Pass, "250"},
		{"forwards (251)", smtptest.Answer("RCPT", "251 will forward"), plan.Pass, "251"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := facts((&smtptest.Server{Reply: test.reply}).Start(t))
			postmaster := run(t, f, "account.postmaster")
			if len(postmaster) != 2 || postmaster[0].Subject.String() != "postmaster" ||
				postmaster[1].Subject.String() != "postmaster@nomeazienda.it" {
				t.Errorf("%+v", postmaster)
			}

			want(t, postmaster[0], test.status, test.got)
			want(t, one(t, run(t, f, "account.abuse"), "abuse@nomeazienda.it"), test.status,
				test.got)
		})
	}
}

func TestRelayRecipient(t *testing.T) {
	catchall := smtptest.Answer("RCPT", "250 all are welcome")
	c := one(t, run(t, facts((&smtptest.Server{Reply: catchall}).Start(t)), "relay.recipient"),
		"")
	want(t, c, plan.Fail, "250 all are welcome")
	want(t, one(t, run(t, facts((&smtptest.Server{Reply: smtptest.Answer("RCPT",
		"450 later")}).Start(t)), "relay.recipient"), ""), plan.Skip, "450 later")
}

func TestRelayForms(t *testing.T) {
	forms := facts("10.10.10.10:25").relayForms()
	seen := map[string]bool{}
	for _, f := range forms {
		if seen[f.String()] {
			t.Errorf("%v is asked twice", f)
		}

		seen[f.String()] = true
		for _, s := range []string{f.from, f.to} {
			if !strings.HasPrefix(s, "<") || !strings.HasSuffix(s, ">") {
				t.Errorf("%q is no path", s)
			}
		}

		if !strings.Contains(f.to, ".invalid") && !strings.Contains(f.to, "[192.0.2.1]") {
			t.Errorf("%q could be delivered to somebody", f.to)
		}
	}

	if len(forms) != 8+19+1 {
		t.Errorf("%d forms", len(forms))
	}

	for _, to := range []string{
		"<u%D@[IP]>", "<u%D@S>", `<"u@D">`, `<"u%D">`, "<u@D@[IP]>", `<"u@D"@[IP]>`, "<u@D@S>",
		"<@[IP]:u@D>", "<@S:u@D>", "<D!u>", "<D!u@[IP]>",
		"<D!u@S>", "<u%D@L>", `<"u@D"@L>`, "<u@[192.0.2.1]>", "<u%D>", "<@D2,@S:u@D>",
		"<u@D.>", `<"D!u"@L>`,
	} {
		form := strings.NewReplacer("D2", foreign2, "D", smtpclient.RelayTestDomain, "S",
			smtptest.Host, "L", "nomeazienda.it", "u", "mailpub-relay-test", "[IP]",
			"[10.10.10.10]").Replace(to)
		if !seen["MAIL FROM:<> RCPT TO:"+form] {
			t.Errorf("%s is not asked", to)
		}
	}

	if six := facts("[fd00::1]:25").relayForms(); !slices.ContainsFunc(six,
		func(f relayAttempt) bool {
			return strings.Contains(f.to, "@[IPv6:fd00::1]")
		}) {
		t.Error("no form with an IPv6 address literal")
	}
}

func TestRelayOpen(t *testing.T) {
	takes := func(what string) func(string) string {
		return func(line string) string {
			if strings.HasPrefix(line, "RCPT TO:") && strings.Contains(line, what) {
				return "250 why not"
			}
			return ""
		}
	}

	tests := []struct {
		name   string
		fake   *smtptest.Server
		closed bool
		status plan.Status
		got    string
	}{
		{"refuses", &smtptest.Server{}, false, plan.Pass, "all 28 forms refused"},
		{"open, seen from inside", &smtptest.Server{Reply: smtptest.Answer("RCPT", "250 why not")}, false, plan.Warn, "22 of 28 accepted"}, // three senders are refused, three recipients end in our domain
		{"open to everybody", &smtptest.Server{Reply: smtptest.Answer("RCPT", "250 why not")}, true, plan.Fail, "and 20 more"},
		{"percent hack", &smtptest.Server{Reply: takes("%relay-test.invalid@" + smtptest.Host)}, true, plan.Fail, "1 of 28 accepted: MAIL FROM:<> RCPT TO:<mailpub-relay-test%relay-test.invalid@mail.nomeazienda.it>: 250 why not"},
		{"after a login that failed", &smtptest.Server{Reply: afterLogin()}, true, plan.Fail, "1 of 28 accepted: AUTH with a wrong password"},
		{"catch-all", &smtptest.Server{Reply: takes("@nomeazienda.it>")}, true, plan.Warn, "3 of 28 accepted"},
		{"says later", &smtptest.Server{Reply: smtptest.Answer("RCPT", "451 later")}, false, plan.Skip, "25 of 28 not decided"},
		{"takes no null sender", &smtptest.Server{Reply: smtptest.Answer("MAIL FROM:<>", "550 no")}, false, plan.Skip, "21 of 28 not decided"},
		{"breaks off at every second transaction", &smtptest.Server{Quits: 2}, false, plan.Pass, "all 28 forms refused"},
		{"breaks off at once", &smtptest.Server{Quits: 1}, false, plan.Skip, "no mail server answers"},
		{"breaks off when it has refused", &smtptest.Server{Reply: smtptest.Answer("RSET", "-")}, false, plan.Pass, "all 28 forms refused"},
		{"too many refusals", &smtptest.Server{Reply: tired(3)}, false, plan.Pass, "all 28 forms refused"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := facts(test.fake.Start(t))
			f.Closed = test.closed
			want(t, one(t, run(t, f, "relay.open"), ""), test.status, test.got)
			if slices.Contains(test.fake.Said(), "DATA") {
				t.Error("a message was sent")
			}
		})
	}

	// What is taken from inside is weighed by what the server's own command shows of a client outside, as Exim's -bh.
	for _, c := range []struct {
		name    string
		setting mailsvc.Setting
		err     error
		status  plan.Status
	}{
		{"its own command refuses", mailsvc.Setting{Need: mail.NeedRelaying, Outside: true, Good: true}, nil, plan.Warn},
		{"its own command relays", mailsvc.Setting{Need: mail.NeedRelaying, Outside: true, Got: "accepted"}, nil, plan.Fail},
		{"its own command can't tell", mailsvc.Setting{Need: mail.NeedRelaying, Outside: true, Unknown: true}, nil, plan.Warn},
		{"a setting that is not of outside", mailsvc.Setting{Need: mail.NeedRelaying}, nil, plan.Warn},
		{"another need", mailsvc.Setting{Need: mail.NeedHostname, Outside: true}, nil, plan.Warn},
		{"it can't be asked", mailsvc.Setting{}, errors.New("no exim"), plan.Warn},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts((&smtptest.Server{Reply: smtptest.Answer("RCPT",
				"250 why not")}).Start(t))

			f.Inspect = func(context.Context) ([]mailsvc.Setting, error) {
				return []mailsvc.Setting{c.setting}, c.err
			}

			is := one(t, run(t, f, "relay.open"), "")
			want(t, is, c.status, "22 of 28 accepted")
			if (c.status == plan.Fail) != strings.Contains(is.Hint,
				"by its own test of an external client") {
				t.Errorf("hint %q", is.Hint)
			}
		})
	}

	t.Run("reconnects", func(t *testing.T) {
		server := &smtptest.Server{}
		run(t, facts(server.Start(t)), "relay.open")
		if server.Conns != 11 { // 27 forms four at a time, one after a login, and three names in EHLO
			t.Errorf("%d connections", server.Conns)
		}
	})
}

// afterLogin relays for whoever tried to log in.
func afterLogin() func(string) string {
	tried := false
	return func(line string) string {
		switch {
		case strings.HasPrefix(line, "AUTH"):
			tried = true
		case strings.HasPrefix(line, "RCPT") && tried:
			return "250 you tried"
		}
		return ""
	}
}

// tired says 421 at every n+1st MAIL of a connection.
func tired(n int) func(string) string {
	count := 0
	return func(line string) string {
		switch {
		case strings.HasPrefix(line, "EHLO"):
			count = 0
		case strings.HasPrefix(line, "MAIL"):
			if count++; count > n {
				return "421 4.7.0 too many errors"
			}
		}

		return ""
	}
}

func TestRelaySpoof(t *testing.T) {
	tests := []struct {
		name   string
		reply  func(string) string
		closed bool
		status plan.Status
		got    string
	}{
		{"refused at MAIL", nil, false, plan.Pass, "550 5.7.1"},
		{"refused at RCPT", func(line string) string {
			switch line[:4] {
			case "MAIL":
				return "250 ok"
			case "RCPT":
				return "553 5.7.1 not logged in"
			}
			return ""
		}, false, plan.Pass, "553"},
		{"accepted from inside", smtptest.Answer("", "250 ok"), false, plan.Warn, "250 ok"},
		{"accepted from everywhere", smtptest.Answer("", "250 ok"), true, plan.Fail, "250 ok"},
		{"later", smtptest.Answer("MAIL", "450 later"), false, plan.Skip, "not decided: 450"},
		{"breaks off", smtptest.Answer("MAIL", "-"), false, plan.Skip, "the connection was closed"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := facts((&smtptest.Server{Reply: test.reply, EHLO: ""}).Start(t))
			f.Closed = test.closed
			found := run(t, f, "relay.spoof")
			want(t, one(t, found, "to postmaster@nomeazienda.it"), test.status, test.got)
			want(t, one(t, found, "to mailpub-relay-test@"+smtpclient.RelayTestDomain),
				test.status, test.got)
		})
	}
}

// deliverTo stores messages in a mailbox as a Maildir server does.
func deliverTo(t *testing.T, root, box string) func(string) {
	dir := filepath.Join(root, box, "new")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	n := 0
	return func(message string) {
		n++
		tmp := filepath.Join(root, fmt.Sprint(n)) // in new/ a message is whole
		err := os.WriteFile(tmp, []byte("Received: x\n"+message), 0o600)
		if err == nil {
			err = os.Rename(tmp, filepath.Join(dir, fmt.Sprint(n)))
		}

		if err != nil {
			t.Error(err)
		}
	}
}

func TestMailLocal(t *testing.T) {
	t.Run("arrives", func(t *testing.T) {
		odd := "odd [1]*?"
		if runtime.GOOS == "windows" { // where no name has the last two
			odd = "odd [1]"
		}

		root := filepath.Join(t.TempDir(), odd)
		store := deliverTo(t, root, "mario")
		store("Subject: a stranger's\n\nhello")
		f := facts((&smtptest.Server{Stored: store}).Start(t))
		f.Maildir = root
		c := one(t, run(t, f, "mail.local"), "postmaster@nomeazienda.it at ")
		want(t, c, plan.Pass, "arrived in "+filepath.Join(root, "mario", "new"))

		if left, _ := os.ReadDir(filepath.Join(root, "mario", "new")); len(left) != 1 ||
			left[0].Name() != "1" {
			t.Errorf("%v is left", left)
		}
	})

	t.Run("is seen by a mail program first", func(t *testing.T) {
		root := t.TempDir()
		store := deliverTo(t, root, "mario")
		cur := filepath.Join(root, "mario", "cur")
		if err := os.Mkdir(cur, 0o700); err != nil {
			t.Fatal(err)
		}

		f := facts((&smtptest.Server{Stored: func(m string) {
			store(m)
			if err := os.Rename(filepath.Join(root, "mario", "new", "1"),
				filepath.Join(cur, "1:2,")); err != nil {
				t.Error(err)
			}
		}}).Start(t))

		f.Maildir = root
		want(t, one(t, run(t, f, "mail.local"), ""), plan.Pass, "arrived in "+cur)
		if left, _ := os.ReadDir(cur); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	})

	t.Run("is renamed before it is removed", func(t *testing.T) {
		root := t.TempDir()
		store := deliverTo(t, root, "mario")
		f := Facts{Maildir: root}
		cur := filepath.Join(root, "mario", "cur")
		store("Subject: mailpub test nonce")
		m, err := f.arrived(t.Context(), "nonce")
		if err == nil {
			err = errors.Join(os.Mkdir(cur, 0o700),
				os.Rename(m.path, filepath.Join(cur, "1:2,S")))
		}

		if err != nil {
			t.Fatal(err)
		}

		c := plan.Check{Got: "arrived"}
		f.removeTest(&c, m, "nonce")
		if left, _ := os.ReadDir(cur); len(left) != 0 || c.Got != "arrived" {
			t.Errorf("%v is left, %q", left, c.Got)
		}
	})

	for _, test := range []struct {
		name   string
		reply  func(string) string
		status plan.Status
		got    string
	}{
		{"refused", smtptest.Answer("RCPT", "550 no"), plan.Fail, "RCPT TO:<postmaster@nomeazienda.it> was answered 550 no"},
		{"refused at the end", smtptest.Answer(".", "554 spam"), plan.Fail, "message was answered 554 spam"},
		{"later", smtptest.Answer("DATA", "452 full"), plan.Skip, "DATA was answered 452 full"},
		{"breaks off", smtptest.Answer(".", "-"), plan.Fail, "message: the connection was closed"},
		{"wrong answer to DATA", smtptest.Answer("DATA", "250 ok"), plan.Fail, "DATA: want 354"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, one(t, run(t, facts((&smtptest.Server{Reply: test.reply}).Start(t)),
				"mail.local"), ""), test.status, test.got)
		})
	}

	t.Run("no domain", func(t *testing.T) {
		f := facts("127.0.0.1:25")
		f.Domains = nil
		if c := f.mailLocal(t.Context())[0]; c.Status != plan.Skip || c.Hint == "" {
			t.Errorf("%+v", c)
		}
	})

	t.Run("is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := facts("mail:25")
			f.Dial = smtptest.Piped((&smtptest.Server{}).Handle)
			f.Maildir = t.TempDir()
			began := time.Now()
			want(t, one(t, run(t, f, "mail.local"), ""), plan.Fail,
				"accepted, but not in "+f.Maildir)

			if took := time.Since(began); took < arrival || took > arrival+time.Second {
				t.Errorf("took %v", took)
			}
		})
	})

	t.Run("arrives late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := facts("mail:25")
			f.Maildir = t.TempDir()
			store := deliverTo(t, f.Maildir, "mario")
			f.Dial = smtptest.Piped((&smtptest.Server{Stored: func(m string) {
				time.AfterFunc(arrival/2, func() { store(m) })
			}}).Handle)
			want(t, one(t, run(t, f, "mail.local"), ""), plan.Pass, "arrived in")
		})
	})

	t.Run("a tarpit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := facts("mail:25")
			f.Dial = smtptest.Piped((&smtptest.Server{Reply: func(line string) string {
				if line == "." {
					time.Sleep(time.Minute)
				}
				return ""
			}}).Handle)

			want(t, one(t, run(t, f, "mail.local"), ""), plan.Skip,
				"message: no answer in time")

			time.Sleep(time.Minute)
		})
	})
}

func TestEgress(t *testing.T) {
	want(t, one(t, run(t, facts("127.0.0.1:25"), "port.egress25"), ""), plan.Skip,
		"no mail server to try")

	tests := []struct {
		name, target string
		handle       func(net.Conn)
		err          error
		status       plan.Status
		got          string
	}{
		{"open", "mx.example.org", (&smtptest.Server{Greeting: "220 MX.example.org hi"}).Handle, nil, plan.Pass, "220 MX.example.org"},
		{"a proxy answers", "mx.example.org", (&smtptest.Server{Greeting: "220 proxy.isp.example"}).Handle, nil, plan.Fail, "220 proxy.isp.example"},
		{"by address", "192.0.2.1", (&smtptest.Server{Greeting: "220 whoever"}).Handle, nil, plan.Pass, "220 whoever"},
		{"by address and port", "[2001:db8::1]:2525", (&smtptest.Server{Greeting: "220 whoever"}).Handle, nil, plan.Pass, "220 whoever"},
		{"refuses us", "mx.example.org", (&smtptest.Server{Greeting: "554 listed"}).Handle, nil, plan.Warn, "554 listed"},
		{"no greeting", "mx.example.org", (&smtptest.Server{Greeting: "-"}).Handle, nil, plan.Warn, "the connection was closed"},
		{"blocked", "mx.example.org", nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, plan.Fail, "no answer in time"},
		{"our own name", "mail.nomeazienda.it", (&smtptest.Server{}).Handle, nil, plan.Skip, "2.2.2.2 is this site's own address"},
		{"our own address", "10.10.10.10:25", (&smtptest.Server{}).Handle, nil, plan.Skip, "10.10.10.10 is this site's own address"},
		{"no such name", "gone.example.org", nil, nil, plan.Skip, "does not resolve"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := facts("127.0.0.1:25")
				f.Egress = []string{test.target}
				f.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
					addr := map[string]string{"mx.example.org": "192.0.2.25",
						"mail.nomeazienda.it": "2.2.2.2"}[name]
					if addr == "" {
						return nil, nil
					}
					return []netip.Addr{netip.MustParseAddr(addr)}, nil
				}

				f.Own = []netip.Addr{netip.MustParseAddr("10.10.10.10"),
					netip.MustParseAddr("2.2.2.2")}

				f.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
					if _, port, err := net.SplitHostPort(addr); err != nil ||
						port != "25" && port != "2525" {
						t.Errorf("dialled %s", addr)
					}

					if test.err != nil {
						return nil, test.err
					}

					return smtptest.Piped(test.handle)(t.Context(), "", "")
				}

				want(t, one(t, run(t, f, "port.egress25"), test.target), test.status, test.got)
			})
		})
	}
}

// An interrupted check knows nothing: it is neither pass nor fail.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := facts((&smtptest.Server{}).Start(t))
	f.Services = []Service{{"smtp", f.Addr}}
	f.Egress = []string{"127.0.0.1"}

	for _, c := range Checkers(f) {
		for _, found := range c.Run(ctx) {
			want(t, found, plan.Skip, "")
		}
	}
}

// No fault of a server makes a check pass, fail for the wrong reason, or hang.
func TestChecksSurviveFaults(t *testing.T) {
	faults := map[string]func(net.Conn){
		"silent":        func(c net.Conn) { io.Copy(io.Discard, c); c.Close() },
		"closes":        func(c net.Conn) { c.Close() },
		"endless lines": smtptest.Drip("220-more\r\n", 0),
		"drips":         smtptest.Drip("2", time.Second),
		"1 MB line":     smtptest.Send("220 " + strings.Repeat("x", 1<<20) + "\r\n"),
		"web":           smtptest.Send("HTTP/1.1 400 Bad Request\r\n"),
		"deaf":          smtptest.Send("220 " + smtptest.Host + "\r\n"),
		"busy":          smtptest.Send("421 later\r\n"),
	}

	for name, handle := range faults {
		for _, id := range append(askers[1:], "smtp.certificate") {
			t.Run(name+"/"+id, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := facts("mail:25")
					f.Dial = smtptest.Piped(handle)
					for _, c := range run(t, f, id) {
						want(t, c, plan.Skip, "no mail server answers at mail:25")
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
				})
			})
		}
	}
}
