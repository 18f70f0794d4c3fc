package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

const probeToken = "a-token-for-the-lab-probe"

// probe runs a probe outside, with further flags, and puts it into the config. It asks resolver.
func (s *siteInLab) probe(resolver string, flags ...string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "probe.token"), []byte(probeToken+"\n"),
		0o600); err != nil {
		s.t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, "inet", append([]string{s.bin, "probe", "serve", "--listen",
		lab.Outside + ":8443", "--site", "nomeazienda=file:probe.token",
		"--state", filepath.Join(s.dir, "probe"), "--resolver", resolver, "--pause", "1s"},
		flags...)...)

	var out, log syncBuffer
	cmd.Stdout = &out
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}

	s.t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		cancel()

		if s.t.Failed() {
			s.t.Logf("the probe's log:\n%s", log.String())
		}

		if strings.Contains(log.String()+out.String(), probeToken) {
			s.t.Error("the token is in the probe's output")
		}
	})

	s.eventually("the probe tells its fingerprint", func() bool {
		return strings.Contains(out.String(), "fingerprint: ")
	})

	fingerprint := strings.TrimSpace(strings.TrimPrefix(out.String(), "fingerprint: "))
	s.edit("verify:", "verify:\n  probe: {url: \"https://"+lab.Outside+
		":8443\", token: \"file:probe.token\", fingerprint: "+fingerprint+"}")
}

// syncBuffer is a buffer that a process writes to while others read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestLabProbe has a probe look from outside: mail arrives with every hop shown; with the forward
// of port 25 gone, the router is the first finding; with the server down, MX does not move.
func TestLabProbe(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.probe(lab.NameServer)
	has(t, s.mailpub(exitOK, "probe", "test"), "The probe answers after", "sees 2.2.2.2.")
	s.services()
	has(t, s.mailpub(exitOK, "plan"), "public address 2.2.2.2 (as the router, the probe say)")
	has(t, s.mailpub(exitOK, "apply", "--yes"),
		"gate open: mail.nomeazienda.it answers from outside")

	time.Sleep(time.Second) // the probe looks once a second at an address
	out := s.mailpub(exitOK, "--json", "verify")
	has(t, out, `"id": "mail.outside"`, "MX mail.nomeazienda.it; address 2.2.2.2; TCP 2.2.2.2:25; banner 220 mail.nomeazienda.it ESMTP; TLS not offered; MAIL accepted; RCPT accepted; DATA 250",
		`"id": "port.source"`, `"id": "port.outside"`, `"id": "relay.open"`, ", from outside")

	if strings.Contains(out, `"status": "fail"`) || strings.Contains(out, probeToken) {
		t.Errorf("verify says:\n%s", out)
	}

	s.must("lan", "upnpc", "-u", "http://10.10.10.1:5000/rootDesc.xml", "-d", "25", "tcp")
	time.Sleep(time.Second)
	out = s.mailpub(exitDiffer, "verify")
	first, _, _ := strings.Cut(out, "\n")

	if !strings.HasPrefix(first, "cause: the router ") {
		t.Errorf("the first finding is %q", first)
	}

	has(t, out, "port.outside", "mail.outside", "TCP: ")

	// Where nothing answers outside, MX stays as it is.
	s.lab.Update(t, "update delete nomeazienda.it. MX")
	s.edit("protocol: auto", "protocol: none")
	s.edit("ipv4: auto", "ipv4: 2.2.2.2")
	time.Sleep(time.Second)
	_, errs, code := s.on("lan", s.bin, "apply", "--yes")

	if code != exitFailed || !strings.Contains(errs, "answers from outside") {
		t.Errorf("exit code %d: %s", code, errs)
	}

	if strings.Contains(s.state(), " MX ") {
		t.Error("MX points at nothing")
	}
}
