package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat >>"+filepath.Join(s.dir, "notices.jsonl")+"\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.edit("site: nomeazienda\n", "site: nomeazienda\nwatch:\n  notify: [{exec: ["+script+"]}]\n"+section)
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
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
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
	w.s.eventually(fmt.Sprintf("watch says %q %d times", text, times), func() bool { return strings.Count(w.log.String(), text) >= times })
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

// TestLabWatch is a day in the life of a watched site.
func TestLabWatch(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.tellInto("  repair: [router, address]\n  address_confirm: 2s\n  every: 1m\n")
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	w := s.watch("-v")
	s.eventually("a first look", func() bool { return strings.Contains(w.log.String(), "looked") })
	before := s.state()

	// The router restarts: its forwards are back, and that is one notice and another one.
	s.lab.Reboot(t)
	all := s.told(0, "broke repaired")
	t.Logf("%s\n%s", all[0].Text, all[1].Text)
	s.unchanged(before)
}
