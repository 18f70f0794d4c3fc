package main

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smuggling"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// hostsBefore is a hosts file as an installation leaves it that asked for the mail host's name.
const hostsBefore = "127.0.0.1\tlocalhost\n127.0.1.1\tmail.nomeazienda.it mail\n"

// newPostfixInLab is the lab's site with a real Postfix and Dovecot at 10.10.10.10.
func newPostfixInLab(t *testing.T) (*siteInLab, *lab.MailServer) {
	m := lab.InstallMailServer(t)
	s := newSiteInLab(t, lab.Options{})
	pam := filepath.Join(s.dir, "common-password")
	if err := os.WriteFile(pam, []byte("password requisite pam_pwquality.so retry=3\n"),
		0o600); err != nil {
		t.Fatal(err)
	}

	hosts := filepath.Join(s.dir, "hosts")
	if err := os.WriteFile(hosts, []byte(hostsBefore), 0o644); err != nil {
		t.Fatal(err)
	}

	s.edit("  resolvers: [2.2.2.3]", "  resolvers: [2.2.2.3]\n  hosts: "+hosts)
	s.edit("  type: receiver", `  type: postfix
  aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]
  maildir: `+m.Maildir+`
  settings: {config_directory: `+m.Postfix+`, dovecot: `+m.Dovecot+`, pam: `+pam+`}`)

	m.Start(t, s.lab, "lan")
	for _, port := range []string{"3000", "1000"} {
		s.background("lan", "socat", "TCP-LISTEN:"+port+",bind=10.10.10.10,reuseaddr,fork",
			"SYSTEM:echo")
	}

	return s, m
}

// asks says MAIL and RCPT from a host and returns the code of the answer that decided. With a
// password it logs in as mario first, under TLS.
func (s *siteInLab) asks(host, server, from, to string, password ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()

	conn, err := s.lab.Dial(host)(ctx, "tcp", server+":25")
	if err != nil {
		s.t.Fatal(err)
	}

	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c, err := smtp.NewClient(conn, server)
	if err != nil {
		s.t.Fatal(err)
	}

	defer c.Close()

	err = c.Hello("sender.example.org")
	if len(password) > 0 {
		err = errors.Join(err, c.StartTLS(&tls.Config{InsecureSkipVerify: true})) // Debian's certificate is of nobody
		if err == nil {
			err = c.Auth(smtp.PlainAuth("", "mario", password[0], server))
		}
	}

	if err == nil {
		if err = c.Mail(from); err == nil {
			err = c.Rcpt(to)
		}
		c.Quit()
	}

	var refused *textproto.Error
	switch {
	case err == nil:
		return "250"
	case errors.As(err, &refused):
		return strconv.Itoa(refused.Code)
	}

	s.t.Fatalf("from %s to %s: %v", from, to, err)
	return ""
}

// sameFiles compares configurations with earlier ones.
func sameFiles(t *testing.T, now, before map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, there := before[name]; !there || was != now[name] {
			t.Errorf("%s is\n%s\nand was (%v)\n%s", name, now[name], there, was)
		}
	}

	for name := range before {
		if _, there := now[name]; !there {
			t.Errorf("%s is gone", name)
		}
	}
}

// TestLabPostfix is the life of a default Debian install: brought to the wanted state, seen
// from outside, changed by hand, and in the end as it was to the byte.
func TestLabPostfix(t *testing.T) {
	t.Parallel()
	s, m := newPostfixInLab(t)
	before := m.Files(t)
	world := s.state()

	has(t, s.mailpub(exitDiffer, "plan", "--detailed-exitcode"), "~ main.cf myhostname",
		"now vm.localdomain",
		"+ virtual postmaster@nomeazienda.it", "+ dovecot auth", "~ hosts mail.nomeazienda.it",
		"now 127.0.1.1", "Plan: 25 to add, 3 to change, 12 up to date.")

	s.mailpub(exitFailed, "apply", "--yes") // Debian's own values are not overwritten without consent
	sameFiles(t, m.Files(t), before)

	has(t, s.mailpub(exitOK, "apply", "--yes", "--adopt"), "Done: 28 changes.")
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes: 40 items up to date.")
	applied := m.Files(t)
	has(t, s.mailpub(exitOK, "apply", "--yes"), "No changes")
	sameFiles(t, m.Files(t), applied)
	s.outside()
	s.send("nonce-first", "postmaster@nomeazienda.it", m.Maildir)
	has(t, s.mailpub(exitOK, "verify"), ", 0 failed,", "smtp.smuggling", "service.config",
		"service.delivery", "mail.local")

	main := filepath.Join(m.Postfix, "main.cf")
	s.must("lan", "sed", "-i", "s/^disable_vrfy_command = yes/disable_vrfy_command = no/", main)
	edited := m.Files(t)
	has(t, s.mailpub(exitDiffer, "drift"), "~ service main.cf disable_vrfy_command: changed since mailpub created it",
		"service.config: main.cf disable_vrfy_command: got no, want yes")

	s.mailpub(exitFailed, "apply", "--yes")
	sameFiles(t, m.Files(t), edited)
	has(t, s.mailpub(exitOK, "apply", "--yes", "--adopt"), "Done: 1 change.")
	sameFiles(t, m.Files(t), applied)

	if out := s.mailpub(exitOK, "drift"); out != "" {
		t.Errorf("drift says:\n%s", out)
	}

	s.mailpub(exitOK, "destroy", "--yes")
	sameFiles(t, m.Files(t), before)
	if hosts, err := os.ReadFile(filepath.Join(s.dir, "hosts")); err != nil ||
		string(hosts) != hostsBefore {
		t.Errorf("the hosts file is (%v)\n%s", err, hosts)
	}

	s.unchangedWorld(world)
	if got := s.asks("lan", lab.Server, "x@example.org",
		"postmaster@nomeazienda.it"); got != "454" {
		t.Errorf("the default Debian answers %s again, want 454", got)
	}
}

func (s *siteInLab) unchangedWorld(before string) {
	s.t.Helper()
	if after := s.state(); after != before {
		s.t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
}

// outside holds a server that was set up to what the world must see of it.
func (s *siteInLab) outside() {
	s.t.Helper()
	const ours = "@nomeazienda.it"
	for _, c := range []struct{ from, to, code string }{
		{"x@example.org", "mario" + ours, "250"},
		{"", "postmaster" + ours, "250"},
		{"", "postmaster", "250"},
		{"x@example.org", "abuse" + ours, "250"},
		{"x@example.org", "nosuch" + ours, "550"},
		{"x@example.org", "root" + ours, "550"},
		{"x@example.org", "test" + ours, "550"},
		{"nosuch" + ours, "mario" + ours, "553"},
		{"mario" + ours, "mario" + ours, "553"},
		{"postmaster" + ours, "mario" + ours, "553"},
		{"abuse" + ours, "mario" + ours, "553"},
		{"x@example.org", "y@example.net", "554"},
		{"x@example.org", "y%example.net" + ours, "554"},
	} {
		if got := s.asks("inet", lab.Public, c.from, c.to); got != c.code {
			s.t.Errorf("from %s to %s: %s, want %s", c.from, c.to, got, c.code)
		}
	}

	if got := s.asks("lan2", lab.Server, "x@example.org", "y@example.net"); got != "554" {
		s.t.Errorf("a neighbour who does not log in relays: %s, want 554", got)
	}

	if got := s.asks("inet", lab.Public, "mario"+ours, "y@example.net",
		"correct horse"); got != "250" {
		s.t.Errorf("who logs in may send: %s, want 250", got)
	}

	if got := s.asks("inet", lab.Public, "mario"+ours, "y@example.net", "wrong"); got != "535" {
		s.t.Errorf("with a wrong password: %s, want 535", got)
	}
}

// TestLabOpenRelay finds a server that relays for everybody, believes every sender and splits
// messages, and corrects it.
func TestLabOpenRelay(t *testing.T) {
	t.Parallel()
	s, m := newPostfixInLab(t)
	for name, value := range map[string]string{
		"mynetworks": "0.0.0.0/0", "smtpd_forbid_bare_newline": "no",
		"mydestination": "$myhostname, localhost, nomeazienda.it",
		"myhostname":    "mail.nomeazienda.it", "myorigin": "nomeazienda.it",
	} {
		s.must("lan", "postconf", "-c", m.Postfix, "-e", name+"="+value)
	}

	s.must("lan", "postfix", "-c", m.Postfix, "reload")
	before := m.Files(t)
	found := s.mailpub(exitDiffer, "verify", "--only", "mail")
	has(t, found, "FAIL  relay.open", "FAIL  relay.spoof", "FAIL  relay.sender",
		"FAIL  smtp.smuggling", "LF dot LF", "warn  smtp.vrfy",
		"FAIL  service.config  main.cf mynetworks",
		"FAIL  service.config  main.cf smtpd_sender_restrictions")

	if got := s.asks("lan2", lab.Server, "x@example.org", "y@example.net"); got != "250" {
		t.Fatalf("it is no open relay: %s", got)
	}

	was := s.smuggling()

	s.mailpub(exitOK, "apply", "--yes", "--adopt")
	has(t, s.mailpub(exitOK, "verify", "--only", "mail"), ", 0 failed,")
	s.outside()
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes")
	is := s.smuggling()
	bundled := smugglingAt(t, nil, bundledReceiver(t))
	version := strings.TrimSpace(s.must("lan", "postconf", "-c", m.Postfix, "-h",
		"mail_version"))

	t.Logf("what ends a message beside CR LF dot CR LF: Postfix %s by default, as set up, the bundled receiver", version)
	split := 0
	for _, form := range smuggling.Forms() {
		if is[form.Name] == "splits" {
			t.Errorf("%s still splits a message", form.Name)
		}

		if was[form.Name] == "splits" {
			split++
		}

		t.Logf("%-24s %-12s %-12s %s", form.Name, was[form.Name], is[form.Name],
			bundled[form.Name])
	}

	if split == 0 {
		t.Error("nothing split a message before, so that nothing was shown")
	}

	s.mailpub(exitOK, "destroy", "--yes")
	sameFiles(t, m.Files(t), before)
}

func (s *siteInLab) smuggling() map[string]string {
	s.t.Helper()
	return smugglingAt(s.t, s.lab.Dial("lan2"), lab.Server+":25")
}

// smugglingAt says what a server does with each false end.
func smugglingAt(t testing.TB, dial smtpclient.Dial, addr string) map[string]string {
	t.Helper()
	does := map[string]string{}
	for _, f := range check.TrySmuggling(t.Context(), dial, addr, "postmaster@nomeazienda.it",
		smuggling.Forms()) {
		switch {
		case f.Err != nil:
			t.Errorf("%s: %v", f.Form, f.Err)
		case f.Splits:
			does[f.Form] = "splits"
		default:
			does[f.Form] = "is text"
		}
	}

	for _, f := range smuggling.Forms() {
		if f.HoldsEnd() {
			does[f.Name] = "true end"
		}
	}

	return does
}

// bundledReceiver serves on loopback until the test ends.
func bundledReceiver(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveReceiver(t, l, "mail.nomeazienda.it", nil)
	return l.Addr().String()
}

// serveReceiver serves nomeazienda.it on a listener until the test ends, as a host; with STARTTLS
// where there is a config.
func serveReceiver(t testing.TB, l net.Listener, host string, config *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	driver := &mailsvc.Receiver{Path: filepath.Join(dir, "settings.json")}
	var batch []plan.Change

	for name, text := range map[string]string{"hostname": host,
		"domain nomeazienda.it": mail.Served, "alias postmaster@nomeazienda.it": "mario"} {
		batch = append(batch, plan.Change{
			Key: plan.Key{
				Kind: mailsvc.Kind,
				Name: name,
			},
			Action: plan.Create,
			After:  []string{text},
		})
	}

	if err := driver.Apply(t.Context(), batch, func(plan.Change, error) {}); err != nil {
		t.Fatal(err)
	}

	server := &receiver.Server{
		SettingsPath: driver.Path,
		Maildir:      filepath.Join(dir, "mail"),
		TLS:          func() *tls.Config { return config },
	}

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-ended })
}
