package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// authority starts an ACME authority outside, which asks the lab's name server, and returns the
// file of who vouches for it.
func (s *siteInLab) authority() (roots string) {
	s.t.Helper()
	s.certificate("authority", lab.Outside)
	config := filepath.Join(s.dir, "authority.json")
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           lab.Outside + ":14000",
		"managementListenAddress": lab.Outside + ":15000",
		"certificate":             filepath.Join(s.dir, "authority.pem"),
		"privateKey":              filepath.Join(s.dir, "authority.key"),
		"httpPort":                80, "tlsPort": 443,
	}})

	if err == nil {
		err = os.WriteFile(config, text, 0o600)
	}

	if err != nil {
		s.t.Fatal(err)
	}

	s.background("inet", "env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "pebble",
		"-config", config, "-dnsserver", lab.NameServer+":53")

	s.eventually("the authority answers", func() bool {
		_, _, code := s.on("inet", "socat", "-u", "OPEN:/dev/null", "TCP:"+lab.Outside+":14000")
		return code == 0
	})

	return filepath.Join(s.dir, "authority.pem")
}

// TestLabCertificate has a real authority make the receiver's certificate by DNS-01, in a zone
// that a real name server holds, and a TLSA record for it.
func TestLabCertificate(t *testing.T) {
	s := newSiteInLab(t, lab.Options{Signed: true})
	roots := s.authority()
	s.edit("  type: receiver", fmt.Sprintf("  type: receiver\n  tls: {certificate: acme, directory: \"https://%s:14000/dir\", roots: %s}",
		lab.Outside, roots))

	s.edit("  address: 10.10.10.10", "  address: 10.10.10.10\n  dane: {certificate: served}\n  caa: [pebble.letsencrypt.org]")
	s.strangersForward()
	before := s.state()
	s.services()
	s.eventually("the receiver offers STARTTLS", func() bool {
		got, _, _ := s.on("lan", "swaks", "--server", lab.Server, "--quit-after", "EHLO")
		return strings.Contains(got, "STARTTLS")
	})

	s.mailpub(exitOK, "apply", "--yes")
	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes")
	out := s.must("inet", "swaks", "--tls", "--server", lab.Public, "--helo",
		"sender.example.org", "--from", "someone@example.org",
		"--to", "postmaster@nomeazienda.it", "--header", "Subject: nonce-under-tls")

	has(t, out, "TLS started with cipher TLSv1.3", `peer DN="/CN=mail.nomeazienda.it"`)
	s.must("lan", "grep", "-r", "by mail.nomeazienda.it with ESMTPS",
		filepath.Join(s.dir, "mail"))

	out = s.mailpub(exitOK, "verify")
	has(t, out, "dane.match", ", 0 failed,")
	if state := s.state(); strings.Contains(state, "_acme-challenge") ||
		!strings.Contains(state, "TLSA 3 1 1") {
		t.Errorf("the challenge is still there, or TLSA is not:\n%s", state)
	}

	s.mailpub(exitOK, "destroy", "--yes")
	s.unchanged(before)
}

// Certificates from files: one that does not belong to its key is refused, one of another name
// is said, and one that is replaced is shown at once.
func TestLabCertificateFiles(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.certificate("ours", "mail.nomeazienda.it")
	s.certificate("other", "other.example.org")
	s.edit("  type: receiver", "  type: receiver\n  tls: {certificate: ours.pem, key: other.key}")
	_, errs, code := s.on("lan", s.bin, "receive")

	if code != exitFailed || !strings.Contains(errs, "ours.pem with key") ||
		!strings.Contains(errs, "does not match") {
		t.Errorf("exit code %d: %s", code, errs)
	}

	s.edit("ours.pem, key: other.key", "ours.pem, key: ours.key")
	s.services()
	shown := func() string {
		got, _, _ := s.on("lan", "swaks", "--server", lab.Server, "--tls", "--quit-after",
			"EHLO")
		return got
	}

	has(t, shown(), `peer DN="/CN=mail.nomeazienda.it"`)
	for _, ext := range []string{".pem", ".key"} {
		if err := os.Rename(filepath.Join(s.dir, "other"+ext),
			filepath.Join(s.dir, "ours"+ext)); err != nil {
			t.Fatal(err)
		}
	}

	has(t, shown(), `peer DN="/CN=other.example.org"`)
}
