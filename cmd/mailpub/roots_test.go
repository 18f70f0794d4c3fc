package main

import (
	"crypto/x509"
	"io/fs"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func TestRoots(t *testing.T) {
	pool := mozillaRoots()
	trusted := 0
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}

		if _, err := c.Verify(x509.VerifyOptions{
			Roots:     pool,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}); err == nil {
			trusted++
		}
	}

	if trusted < 100 {
		t.Errorf("only %d roots are brought along", trusted)
	}

	for path, want := range map[string]bool{
		"mailpub": false, "etc/ssl/openssl.cnf": false,
		"etc/ssl/certs/ca-certificates.crt": true, "etc/ssl/cert.pem": true,
		"etc/pki/tls/certs/ca-bundle.crt": true,
	} {
		if hasRoots(fstest.MapFS{path: {}}) != want {
			t.Errorf("with %s alone: %v", path, !want)
		}
	}

	if hasRoots(fstest.MapFS{"etc/ssl/certs": {Mode: fs.ModeDir | 0o755}}) {
		t.Error("an empty directory has roots")
	}
}
