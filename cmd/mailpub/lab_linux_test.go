package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// siteInLab is the site of examples/lab, with mailpub run on its server.
type siteInLab struct {
	t    testing.TB
	lab  *lab.Lab
	dir  string
	bin  string
	host string // where mailpub runs
	env  []string

	enter []string // what mailpub is run by, where the host is another than the lab's; see fresh
}

func newSiteInLab(t testing.TB, o lab.Options) *siteInLab {
	s := &siteInLab{
		t:    t,
		lab:  lab.Up(t, o),
		dir:  t.TempDir(),
		host: "lan",
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	s.bin = filepath.Join(s.dir, "mailpub") // by this name the test binary is mailpub
	if err := os.Symlink(self, s.bin); err != nil {
		t.Fatal(err)
	}

	config, err := os.ReadFile("../../examples/lab/mailpub.yaml")
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(s.dir, "mailpub.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}

	return s
}

// on runs a command on a host and returns what it printed and its exit code.
func (s *siteInLab) on(host string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()

	cmd := s.command(ctx, host, args...)
	var out, errs bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}

	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (s *siteInLab) command(ctx context.Context, host string, args ...string) *exec.Cmd {
	cmd := s.lab.Command(ctx, host, args...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "MAILPUB_TSIG_KEY="+s.lab.Key, "GORACE="+quickExit),
		s.env...)
	return cmd
}

// must runs a command that has to succeed.
func (s *siteInLab) must(host string, args ...string) string {
	s.t.Helper()
	out, errs, code := s.on(host, args...)
	if code != 0 {
		s.t.Fatalf("%s: %q: exit code %d\n%s%s", host, args, code, out, errs)
	}
	return out
}

// mailpub runs mailpub and expects an exit code.
func (s *siteInLab) mailpub(want int, args ...string) string {
	s.t.Helper()
	out, errs, code := s.on(s.host, slices.Concat(s.enter, []string{s.bin}, args)...)
	if code != want {
		s.t.Fatalf("mailpub %q: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
	return out
}

// background starts a command on a host; it ends with the test, or before by stop.
func (s *siteInLab) background(host string, args ...string) (stop func()) {
	s.t.Helper()
	cmd := s.command(context.Background(), host, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}

	stop = sync.OnceFunc(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
	})

	s.t.Cleanup(stop)
	return stop
}

// services starts the receiver, and what stands in for the server's other ports.
func (s *siteInLab) services() {
	s.t.Helper()
	s.background("lan", s.bin, "receive")
	for port, greeting := range map[string]string{"110": "+OK ready", "143": "* OK ready",
		"3000": "", "1000": ""} {
		s.background("lan", "socat", "TCP-LISTEN:"+port+",bind=10.10.10.10,reuseaddr,fork",
			"SYSTEM:set -f; echo "+greeting)
	}

	for _, port := range []string{"25", "110", "143", "3000", "1000"} {
		s.eventually("something listens on "+port, func() bool {
			_, _, code := s.on("lan", "socat", "-u", "OPEN:/dev/null", "TCP:10.10.10.10:"+port)
			return code == 0
		})
	}
}

func (s *siteInLab) eventually(what string, ok func() bool) {
	s.t.Helper()
	const patience = 30 * time.Second // the machine may be busy
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}

	s.t.Fatalf("not so within %v: %s", patience, what)
}

// state is everything that mailpub could change outside of the server: the records of
// both zones and the router's forwards.
func (s *siteInLab) state() string {
	s.t.Helper()
	lines := append(s.lab.Zone(s.t, "nomeazienda.it"), s.lab.Zone(s.t, "2.2.2.in-addr.arpa")...)
	for port, to := range s.lab.Mappings(s.t) {
		lines = append(lines, fmt.Sprintf("%s -> %s", port, to))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unchanged compares the state with an earlier one.
func (s *siteInLab) unchanged(before string) {
	s.t.Helper()
	if after := s.state(); after != before {
		s.t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after, before)
	}
	if !strings.Contains(before, "8080 -> ") || !strings.Contains(before, "TXT") {
		s.t.Errorf("there was no stranger to be careful of:\n%s", before)
	}
}

// strangersForward maps a port of the neighbour's, as a stranger would.
func (s *siteInLab) strangersForward() {
	s.t.Helper()
	out := s.must("lan2", "upnpc", "-u", "http://10.10.10.1:5000/rootDesc.xml", "-e",
		"stranger", "-a", lab.Neighbour, "8080", "8080", "tcp")
	if !strings.Contains(out, "is redirected to") {
		s.t.Fatalf("the stranger's forward was not made:\n%s", out)
	}
}

// TestLabWalk is the life of a site on real servers: BIND, miniupnpd and nftables.
func TestLabWalk(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.strangersForward()
	before := s.state()
	s.services()

	has(t, s.mailpub(exitDiffer, "plan", "--detailed-exitcode"), "Plan: 16 to add.",
		"nomeazienda.it. MX", "2.2.2.2.in-addr.arpa. PTR", "tcp/3000")

	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 16 changes.")
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes: 16 items up to date.")

	s.send("nonce-first", "postmaster@nomeazienda.it")
	has(t, s.mailpub(exitOK, "verify"), ", 0 failed,")
	if out := s.mailpub(exitOK, "drift"); strings.Contains(out, "FAIL") {
		t.Errorf("drift says:\n%s", out)
	}

	s.lab.Update(t, "update delete nomeazienda.it. MX")
	s.lab.Reboot(t)
	s.strangersForward()
	out := s.mailpub(exitDiffer, "drift")
	has(t, out, "dns nomeazienda.it. MX: was put in place and is gone",
		"forward tcp/25: was put in place and is gone")

	has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 6 changes.")
	s.mailpub(exitOK, "drift")
	s.send("nonce-second", "abuse@nomeazienda.it")

	s.mailpub(exitOK, "destroy", "--yes")
	s.unchanged(before)
}

// send delivers a message from outside and finds it in the Maildir, by default the receiver's.
func (s *siteInLab) send(nonce, to string, maildir ...string) {
	s.t.Helper()
	s.must("inet", "swaks", "--server", lab.Public, "--port", "25", "--helo",
		"sender.example.org",
		"--from", "someone@example.org", "--to", to, "--header", "Subject: "+nonce,
		"--timeout", "20s")

	found := ""
	s.eventually("the message is there", func() bool {
		// What the receiver has logged and not synced yet is no mailbox.
		found, _, _ = s.on("lan", "grep", "-rl", "--exclude=*.log", nonce,
			append(maildir, filepath.Join(s.dir, "mail"))[0])
		return strings.Contains(found, "/new/")
	})

	if n := strings.Count(found, "\n"); n != 1 || !strings.Contains(found, "/new/") {
		s.t.Errorf("the message is there %d times:\n%s", n, found)
	}
}

// TestLabKilled ends apply and destroy with SIGKILL at many moments. Whatever was done,
// the next run goes on, and in the end nothing of a stranger's has changed.
func TestLabKilled(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.strangersForward()
	before := s.state()
	s.services()

	for i := range 12 {
		command := []string{"apply", "destroy"}[i%2]
		for _, after := range []time.Duration{40, 90, 140, 200, 300} {
			s.kill(time.Duration(i)*7*time.Millisecond+after*time.Millisecond, command, "--yes")
		}
	}

	s.mailpub(exitOK, "apply", "--yes")
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes: 16 items up to date.")
	s.mailpub(exitOK, "destroy", "--yes")
	s.unchanged(before)
}

// kill runs mailpub and ends it the hard way after a while, unless it was faster.
func (s *siteInLab) kill(after time.Duration, args ...string) {
	s.t.Helper()
	cmd := s.command(s.t.Context(), "lan", append([]string{s.bin}, args...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}

	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()

	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
		s.t.Fatalf("mailpub %q: %v\n%s", args, err, out.String())
	}
}

// trigger is an output that calls do when a word comes by for the first time.
type trigger struct {
	text strings.Builder
	word string
	do   func()
	once sync.Once
}

func (w *trigger) Write(p []byte) (int, error) {
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.word) {
		w.once.Do(w.do)
	}
	return len(p), nil
}

// TestLabInterrupted is Ctrl-C in the middle of apply: it says how to go on, and can.
func TestLabInterrupted(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.services()
	s.lab.Slow(t, 100*time.Millisecond) // else apply is done before the signal comes
	interrupted := false
	last := ""

	for try := 0; try < 5 && !interrupted; try++ { // it may be done before the signal comes
		cmd := s.command(t.Context(), "lan", s.bin, "apply", "--yes")
		out := &trigger{word: " ok ", do: func() { cmd.Process.Signal(os.Interrupt) }}
		cmd.Stdout = out
		cmd.Stderr = out
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}

		switch code := cmd.ProcessState.ExitCode(); code {
		case exitStopped:
			interrupted = true
			has(t, out.text.String(), "mailpub: stopped",
				"next: the completed changes are in the ledger")
		case exitOK: // done already
			last = out.text.String()
		default:
			t.Fatalf("exit code %d\n%s", code, out.text.String())
		}

		s.mailpub(exitOK, "apply", "--yes")
		has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes")
		s.mailpub(exitOK, "destroy", "--yes")
	}

	if !interrupted {
		t.Errorf("no run was interrupted; nothing was tried:\n%s", last)
	}
}

// Two at once: the second waits for the first, or says who holds the site.
func TestLabTwoAtOnce(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.services()
	results := make(chan string, 3)

	for range 3 {
		cmd := s.command(t.Context(), "lan", s.bin, "apply", "--yes")
		go func() {
			out, err := cmd.CombinedOutput()
			results <- fmt.Sprintf("%v\n%s", err, out)
		}()
	}

	done := 0
	for range 3 {
		r := <-results
		if !strings.HasPrefix(r, "<nil>") {
			t.Errorf("one failed: %s", r)
		}
		if strings.Contains(r, "Done: 16 changes.") {
			done++
		}
	}

	if done != 1 {
		t.Errorf("%d runs did the work, want one", done)
	}
}

// TestLabEveryRecord has every kind of record on each real name server, plain and signed: what
// was applied is what is planned, strangers' records are as they were, and all of it goes again.
func TestLabEveryRecord(t *testing.T) {
	for _, o := range []lab.Options{
		{DNS: "bind"}, {DNS: "knot"}, {DNS: "powerdns"},
		{DNS: "bind", Signed: true}, {DNS: "knot", Signed: true},
		{DNS: "powerdns", Signed: true},
	} {
		name := o.DNS
		if o.Signed {
			name += " signed"
		}
		t.Run(name, func(t *testing.T) { everyRecord(t, o) })
	}
}

func everyRecord(t *testing.T, o lab.Options) {
	s := newSiteInLab(t, o)
	s.strangersForward()
	s.edit("  address: 10.10.10.10", "  address: 10.10.10.10\n  caa: [letsencrypt.org, ca.example.net]\n  dane: {certificate: cert.pem, next: next.pem, ports: [25, 587]}")
	s.edit("domains:\n  - name: nomeazienda.it", `nomail: [www.nomeazienda.it]
domains:
  - name: nomeazienda.it
    mx: [{host: mail.nomeazienda.it, preference: 10}, {host: mx2.example.net, preference: 20}]
    spf: {include: [], all: softfail}
    dkim: [{selector: m1}, {selector: m2, algorithm: ed25519}]
    dmarc: {policy: reject, rua: [dmarc@nomeazienda.it, mailto:reports@example.net]}
    mta_sts: {mode: enforce, max_age: 24h, mx: ["*.example.net"]}
    tlsrpt: [tls@nomeazienda.it]
    services: [{name: imaps}, {name: submissions}, {name: pop3, host: "."}]
    autoconfig: mail.nomeazienda.it`)

	for _, name := range []string{"cert", "next"} {
		s.certificate(name, "mail.nomeazienda.it")
	}

	before := s.state()
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	want := exitOK // that nobody can see the policy, which a web server has to serve, is no difference

	if !o.Signed {
		want = exitDiffer // TLSA records need a signed zone
	}

	out := s.mailpub(want, "plan", "--detailed-exitcode")
	if strings.Contains(out, "\n  + ") || strings.Contains(out, "\n  ~ ") ||
		strings.Contains(out, "\n  - ") {
		t.Errorf("apply left something to do:\n%s", out)
	}

	has(t, out, "up to date")
	after := s.state()
	has(t, after, "v=DMARC1; p=reject; rua=mailto:dmarc@nomeazienda.it,mailto:reports@example.net",
		"0 1 465 mail.nomeazienda.it.",
		"v=spf1 mx ip4:2.2.2.2 ~all", `CAA 0 issue "letsencrypt.org"`,
		"MX 20 mx2.example.net.", "MX 0 .",
		"m1._domainkey.nomeazienda.it. 3600 IN TXT", "k=ed25519; p=",
		"_mta-sts.nomeazienda.it. 3600 IN TXT",
		"autoconfig.nomeazienda.it. 3600 IN CNAME mail.nomeazienda.it.",
		"_autodiscover._tcp.nomeazienda.it. 3600 IN SRV 0 1 443")

	if got := strings.Count(after, " TLSA 3 1 1 "); o.Signed && got != 4 ||
		!o.Signed && got != 0 {
		t.Errorf("%d TLSA records in a zone that is signed: %v", got, o.Signed)
	}

	for l := range strings.Lines(before) {
		if !strings.Contains(after, strings.TrimSuffix(l, "\n")) {
			t.Errorf("of a stranger, and gone or changed: %s", l)
		}
	}

	s.mailpub(exitOK, "destroy", "--yes")
	s.unchanged(before)
}

// certificate writes a certificate of a new key, and the key.
func (s *siteInLab) certificate(name, host string) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: host},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}

	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}

	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}

	for ext, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: raw},
		".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(s.dir, name+ext), pem.EncodeToMemory(block),
			0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}
