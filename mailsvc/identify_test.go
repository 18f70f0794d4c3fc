package mailsvc

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

func TestTypeOf(t *testing.T) {
	for greeting, want := range map[string]string{
		"mail.example.org ESMTP Postfix (Debian/GNU)":                                    "postfix",
		"mail.example.org ESMTP Exim 4.96 Tue, 24 Nov 2026 18:00:00 +0000":               "exim",
		"mail.example.org ESMTP MDaemon 24.0.0; Tue, 24 Nov 2026 18:00:00 +0000":         "mdaemon",
		"mail.example.org ESMTP OpenSMTPD":                                               "opensmtpd",
		"mail.example.org ESMTP":                                                         "",
		"postfix.example.org ESMTP ready":                                                "",
		"mx.example.org Microsoft ESMTP MAIL Service ready at Tue, 24 Nov 2026 18:00:00": "",
	} {
		if got := TypeOf(smtpclient.Reply{Code: 220, Lines: []string{greeting}}); got != want {
			t.Errorf("%q: %q, want %q", greeting, got, want)
		}
	}
}

func TestInstalled(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	before := Installed()
	program := "mox"

	if runtime.GOOS == "windows" {
		program += ".exe"
	}

	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"),
		0o755); err != nil {
		t.Fatal(err)
	}

	if got := Installed(); !slices.Contains(got, "mox") || slices.Contains(before, "mox") {
		t.Errorf("before %v, then %v", before, got)
	}
}
