package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// newPostfixInLab is the lab's site with a real Postfix and Dovecot at 10.10.10.10.
func newPostfixInLab(t *testing.T) (*siteInLab, *lab.MailServer) {
	m := lab.InstallMailServer(t)
	s := newSiteInLab(t, lab.Options{})
	pam := filepath.Join(s.dir, "common-password")
	if err := os.WriteFile(pam, []byte("password requisite pam_pwquality.so retry=3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.edit("  type: receiver", `  type: postfix
  aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]
  maildir: `+m.Maildir+`
  settings: {config_directory: `+m.Postfix+`, dovecot: `+m.Dovecot+`, pam: `+pam+`}`)
	m.Start(t, s.lab, "lan")
	for _, port := range []string{"3000", "1000"} {
		s.background("lan", "socat", "TCP-LISTEN:"+port+",bind=10.10.10.10,reuseaddr,fork", "SYSTEM:echo")
	}
	return s, m
}

// asks says MAIL and RCPT from a host and returns the code of the answer that decided.
func (s *siteInLab) asks(host, server, from, to string, more ...string) string {
	s.t.Helper()
	out, errs, _ := s.on(host, append([]string{"swaks", "--server", server, "--helo", "sender.example.org", "--from", from, "--to", to,
		"--quit-after", "RCPT", "--timeout", "20s"}, more...)...)
	answers := regexp.MustCompile(`(?m)^<(?:-|\*\*|~|~\*) +(\d{3}) `).FindAllStringSubmatch(out, -1)
	refused := regexp.MustCompile(`(?m)^<(?:\*\*|~\*) +([45]\d{2})[ -]`).FindAllStringSubmatch(out, -1)
	switch {
	case len(refused) > 0:
		return refused[len(refused)-1][1]
	case strings.Contains(out, "RCPT TO") && len(answers) > 1:
		return answers[len(answers)-2][1] // the last one is to QUIT
	}
	s.t.Fatalf("from %s to %s: no answer\n%s%s", from, to, out, errs)
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
	s, m := newPostfixInLab(t)
	before, world := m.Files(t), s.state()

	has(t, s.mailpub(exitDiffer, "plan", "--detailed-exitcode"), "~ main.cf myhostname", "now vm.localdomain",
		"+ virtual postmaster@nomeazienda.it", "+ dovecot auth", "Plan: 26 to add, 3 to change, 13 as wanted.")
	s.mailpub(exitFailed, "apply", "--yes") // Debian's own values are not overwritten without consent
	sameFiles(t, m.Files(t), before)

	has(t, s.mailpub(exitOK, "apply", "--yes", "--adopt"), "Done: 29 changes.")
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "Nothing to do: all 42 things are as wanted.")
	applied := m.Files(t)
	has(t, s.mailpub(exitOK, "apply", "--yes"), "Nothing to do")
	sameFiles(t, m.Files(t), applied)
	s.outside()
	s.send("nonce-first", "postmaster@nomeazienda.it", m.Maildir)
	has(t, s.mailpub(exitOK, "verify"), ", 0 failed,", "smtp.smuggling", "service.config", "service.delivery", "mail.local")
	if out := s.mailpub(exitOK, "drift"); out != "" {
		t.Errorf("drift says:\n%s", out)
	}

	main := filepath.Join(m.Postfix, "main.cf")
	s.must("lan", "sed", "-i", "s/^disable_vrfy_command = yes/disable_vrfy_command = no/", main)
	edited := m.Files(t)
	has(t, s.mailpub(exitDiffer, "drift"), "~ service main.cf disable_vrfy_command: somebody changed it since mailpub put it in place",
		"service.config: main.cf disable_vrfy_command: got no, want yes")
	s.mailpub(exitFailed, "apply", "--yes")
	sameFiles(t, m.Files(t), edited)
	has(t, s.mailpub(exitOK, "apply", "--yes", "--adopt"), "Done: 1 change.")
	sameFiles(t, m.Files(t), applied)
	s.mailpub(exitOK, "drift")

	s.mailpub(exitOK, "destroy", "--yes")
	sameFiles(t, m.Files(t), before)
	s.unchangedWorld(world)
	if got := s.asks("lan", lab.Server, "x@example.org", "postmaster@nomeazienda.it"); got != "454" {
		t.Errorf("the default Debian answers %s again, want 454", got)
	}
}

func (s *siteInLab) unchangedWorld(before string) {
	s.t.Helper()
	if after := s.state(); after != before {
		s.t.Errorf("the world is not as it was:\n%s\nbefore:\n%s", after, before)
	}
}

// outside holds a server that was set up to what the world must see of it.
func (s *siteInLab) outside() {
	s.t.Helper()
	const ours = "@nomeazienda.it"
	for _, c := range []struct{ from, to, code string }{
		{"x@example.org", "mario" + ours, "250"},
		{"<>", "postmaster" + ours, "250"},
		{"<>", "postmaster", "250"},
		{"x@example.org", "abuse" + ours, "250"},
		{"x@example.org", "nosuch" + ours, "550"},
		{"x@example.org", "root" + ours, "550"},
		{"x@example.org", "test" + ours, "550"},
		{"nosuch" + ours, "mario" + ours, "550"},
		{"mario" + ours, "mario" + ours, "553"},
		{"postmaster" + ours, "mario" + ours, "553"},
		{"abuse" + ours, "mario" + ours, "553"},
		{"x@example.org", "y@example.net", "554"},
		{"x@example.org", "y%example.net" + ours, "554"},
	} {
		for host, server := range map[string]string{"inet": lab.Public, "lan2": lab.Server} {
			if got := s.asks(host, server, c.from, c.to); got != c.code {
				s.t.Errorf("%s: from %s to %s: %s, want %s", host, c.from, c.to, got, c.code)
			}
		}
	}
	login := []string{"--tls", "--auth-user", "mario", "--auth-password", "correct horse"}
	if got := s.asks("inet", lab.Public, "mario"+ours, "y@example.net", login...); got != "250" {
		s.t.Errorf("who logs in may send: %s, want 250", got)
	}
	login[4] = "wrong"
	if got := s.asks("inet", lab.Public, "mario"+ours, "y@example.net", login...); got != "535" {
		s.t.Errorf("with a wrong password: %s, want 535", got)
	}
}
