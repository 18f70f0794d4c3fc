package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/examples/lab"
)

// watching is a running "mailpub watch" in a lab.
type watching struct {
	s   *siteInLab
	cmd *exec.Cmd
	log *logged
}

// logged is what a process printed so far.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// tellInto makes the site tell a program that writes each notice, a line of JSON, to notices.jsonl.
func (s *siteInLab) tellInto(section string) {
	s.t.Helper()
	script := filepath.Join(s.dir, "tell")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat >>"+
		filepath.Join(s.dir, "notices.jsonl")+"\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}

	s.edit("site: nomeazienda\n", "site: nomeazienda\nwatch:\n  notify: [{exec: ["+script+
		"]}]\n"+section)
}

// notices are those that were told so far.
func (s *siteInLab) notices() (all []watch.Notice) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "notices.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}

	for line := range bytes.Lines(data) {
		var n watch.Notice
		if err := json.Unmarshal(line, &n); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, n)
	}

	return all
}

// kinds are the kinds of the notices from the nth on.
func kinds(all []watch.Notice, from int) string {
	var words []string
	for _, n := range all[min(from, len(all)):] {
		words = append(words, string(n.Kind))
	}
	return strings.Join(words, " ")
}

// watch starts "mailpub watch" and returns once it has looked.
func (s *siteInLab) watch(args ...string) *watching {
	s.t.Helper()
	w := &watching{s: s, log: &logged{}}
	w.cmd = s.command(s.t.Context(), s.host, append([]string{s.bin, "watch"}, args...)...)
	w.cmd.Stdout = w.log
	w.cmd.Stderr = w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}

	s.t.Cleanup(func() {
		w.end(syscall.SIGTERM)
		if s.t.Failed() {
			s.t.Logf("watch said:\n%s", w.log)
		}
	})

	return w
}

// end ends the process, if it has not ended.
func (w *watching) end(sig syscall.Signal) {
	if w.cmd.ProcessState == nil {
		_ = syscall.Kill(-w.cmd.Process.Pid, sig)
		_ = w.cmd.Wait()
	}
}

// says waits until the log has had a text so many times.
func (w *watching) says(text string, times int) {
	w.s.t.Helper()
	w.s.eventually(fmt.Sprintf("watch says %q %d times", text, times), func() bool {
		return strings.Count(w.log.String(), text) >= times
	})
}

// told waits until so many notices were told from the nth on, and a moment longer for what should not come.
func (s *siteInLab) told(from int, want string) []watch.Notice {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for len(s.notices()) < from+len(strings.Fields(want)) && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}

	time.Sleep(500 * time.Millisecond)
	all := s.notices()
	if got := kinds(all, from); got != want {
		var text strings.Builder
		for _, n := range all[min(from, len(all)):] {
			fmt.Fprintf(&text, "%s\n\n", n.Text)
		}
		s.t.Fatalf("told %q, want %q\n%s", got, want, text.String())
	}

	return all[from:]
}

// look makes watch look again, and waits until it has.
func (w *watching) look() {
	w.s.t.Helper()
	before := strings.Count(w.log.String(), "msg=looked")
	_ = syscall.Kill(w.cmd.Process.Pid, syscall.SIGHUP)
	w.says("msg=looked", before+1)
}

// reverseZone is that of the lab's config.
const reverseZone = `  - name: 2.2.2.in-addr.arpa
    provider: rfc2136
    ttl: 1h
    settings: {server: "2.2.2.3:53", key_name: mailpub., key_alg: hmac-sha256, key: "env:MAILPUB_TSIG_KEY"}
`

// TestLabWatch is a day in the life of a watched site: the PTR records are the provider's.
func TestLabWatch(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.tellInto("  repair: [router, address]\n  address_confirm: 2s\n")
	s.edit(reverseZone, "")
	s.lab.Update(t, "update add 2.2.2.2.in-addr.arpa. 3600 PTR mail.nomeazienda.it.")
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	w := s.watch("-v")
	w.says("msg=looked", 1)

	if all := s.notices(); len(all) > 0 {
		t.Fatalf("nothing is the matter, and it tells:\n%s", all[0].Text)
	}

	// The router restarts: its forwards are back, and that is one notice and another one.
	before := s.state()
	s.lab.Reboot(t)
	told := s.told(0, "broke repaired")
	has(t, told[0].Title, "the router restarted and forgot its forwards")

	if sec := told[1].Things[0].Seconds; sec <= 0 || sec > 20 || len(told[1].Things) != 5 {
		t.Errorf("%d things, after %v s", len(told[1].Things), sec)
	}

	t.Logf("forwards back: %s", told[1].Title)
	if after := s.state(); after != before {
		t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}

	s.send("nonce-reboot", "postmaster@nomeazienda.it")

	// The provider gives another address: A and SPF follow, the PTR is for a person, and mail arrives.
	s.lab.SetWAN(t, "2.2.2.7/24")
	moved := s.told(2, "changed-address")[0]
	has(t, moved.Text, "the public address is 2.2.2.7 now",
		"manual step: ask the connectivity provider to point 7.2.2.2.in-addr.arpa.",
		"nomeazienda.it. TXT v=spf1")

	has(t, s.state(), "mail.nomeazienda.it. 3600 IN A 2.2.2.7", `"v=spf1 mx ip4:2.2.2.7 -all"`)
	if strings.Contains(s.state(), "ip4:2.2.2.2") {
		t.Error("the old address is still in SPF")
	}

	s.sendTo("2.2.2.7", "nonce-moved", "postmaster@nomeazienda.it")
	s.lab.Update(t, "update add 7.2.2.2.in-addr.arpa. 3600 PTR mail.nomeazienda.it.")
	w.look()
	s.told(3, "healed")

	// Somebody changes a record: that is told, and not touched.
	s.lab.Update(t, "update delete nomeazienda.it. MX",
		"update add nomeazienda.it. 3600 MX 5 elsewhere.example.")

	w.look()
	has(t, s.told(4, "broke")[0].Text, "elsewhere.example.")
	has(t, s.state(), "MX 5 elsewhere.example.")
	s.lab.Update(t, "update delete nomeazienda.it. MX",
		"update add nomeazienda.it. 3600 MX 10 mail.nomeazienda.it.")

	w.look()
	s.told(5, "healed")

	// The name server is restarted: that may be seen, and is no news.
	s.lab.StopDNS(t)
	w.look()
	s.lab.StartDNS(t)
	w.look()
	s.told(6, "")

	// The leases are more than half over: they are renewed without a word.
	w.end(syscall.SIGTERM)
	s.ageLeases(5 * 24 * time.Hour)
	w = s.watch("-v")
	w.says("event=renewed", 1)
	s.told(6, "")
	has(t, s.mailpub(exitOK, "plan"), "No changes")
}

// sendTo delivers a message at an address outside.
func (s *siteInLab) sendTo(address, nonce, to string) {
	s.t.Helper()
	s.must("inet", "swaks", "--server", address, "--port", "25", "--helo",
		"sender.example.org", "--from", "someone@example.org",
		"--to", to, "--header", "Subject: "+nonce, "--timeout", "20s")
}

// ageLeases makes the ledger believe that the leases were granted so long before.
func (s *siteInLab) ageLeases(by time.Duration) {
	s.t.Helper()
	path := filepath.Join(s.dir, ".mailpub", "nomeazienda.ledger.json")
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}

	aged := regexp.MustCompile(`"at": "([^"]+)"`).ReplaceAllStringFunc(string(data),
		func(at string) string {
			then, err := time.Parse(time.RFC3339Nano, strings.Split(at, `"`)[3])
			if err != nil {
				s.t.Fatal(err)
			}
			return fmt.Sprintf(`"at": %q`, then.Add(-by).Format(time.RFC3339Nano))
		})

	if aged == string(data) {
		s.t.Fatal("the ledger has no leases")
	}

	if err := os.WriteFile(path, []byte(aged), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// TestLabWatchKilled ends watch in the middle of a repair, and lets another one take over.
func TestLabWatchKilled(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.tellInto("")
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	before := s.state()
	w := s.watch("-v")
	w.says("msg=looked", 1)

	// It dies after the first, third and fifth forward that it puts back, and begins anew.
	for _, key := range []string{"key=tcp/25", "key=tcp/143", "key=tcp/3000"} {
		s.lab.Reboot(t)
		w.says(key, 1)
		w.end(syscall.SIGKILL)
		w = s.watch("-v")
		w.says("msg=looked", 1)

		if after := s.state(); after != before {
			t.Fatalf("after its death at %s zones and router differ from the start:\n%s\nbefore:\n%s",
				key, after, before)
		}
	}

	has(t, s.mailpub(exitOK, "plan"), "No changes")

	// Another one stands by, a person can apply meanwhile, and when the first one dies it leads.
	second := s.watch("-v")
	second.says("event=standing-by", 1)
	if said := s.mailpub(exitOK, "apply", "--yes"); !strings.Contains(said, "No changes") &&
		!strings.Contains(said, "Nothing to write; ") { // it died before it noted in the ledger what it put back
		t.Errorf("apply writes again:\n%s", said)
	}
	w.end(syscall.SIGKILL)
	second.says("event=took-over", 1)
	second.says("msg=looked", 1)
	s.lab.Reboot(t)
	second.says("restored", 1)
	s.eventually("all is as it was", func() bool { return s.state() == before })
	second.end(syscall.SIGTERM)
	s.mailpub(exitOK, "destroy", "--yes")
}
