// Package certs provides the certificate that a mail server shows: from files, or made and
// renewed through ACME. It knows neither SMTP nor DNS; what proves to the authority that a
// name is ours is handed to it.
package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// minVersion is the oldest TLS that is spoken. Mail has no better than opportunistic TLS, and
// a sender that is refused falls back to plain text (RFC 8996, RFC 7435).
const minVersion = tls.VersionTLS12

// Files is a certificate that others keep up to date: it is read again when a file changes.
// Safe for concurrent use.
type Files struct {
	certificate, key string
	log              *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]fs.FileInfo // of the pair last read
}

// FromFiles reads a certificate with its chain and its private key, both PEM. It fails when they
// can't be read or do not belong together.
func FromFiles(certificate, key string, log *slog.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, log: log}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// stat returns what the files are now.
func (f *Files) stat() (seen [2]fs.FileInfo, err error) {
	for i, path := range []string{f.certificate, f.key} {
		if seen[i], err = os.Stat(path); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// changed reports whether the files are others than those that were read.
func (f *Files) changed(seen [2]fs.FileInfo) bool {
	for i, now := range seen {
		if was := f.seen[i]; !os.SameFile(was, now) || was.Size() != now.Size() ||
			!was.ModTime().Equal(now.ModTime()) {
			return true
		}
	}
	return false
}

func (f *Files) load() error {
	seen, err := f.stat()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}

	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", f.certificate, f.key, err)
	}

	f.current = &pair
	f.seen = seen
	return nil
}

// get returns the certificate in force. A changed pair that can't be read, as when only one of
// the files has been replaced yet, leaves the old one in force.
func (f *Files) get() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()

	seen, err := f.stat()
	if err == nil && f.changed(seen) {
		if err = f.load(); err == nil {
			f.log.Info("certificate was read again", "file", f.certificate)
		}
	}

	if err != nil {
		f.log.Warn("certificate was not read again", "error", err)
	}

	return f.current
}

// Config is what the server speaks TLS with.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion: minVersion,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return f.get(), nil
		},
	}
}

// Problem says what senders that look at it would have against the certificate for a host, or
// "". Most do not look.
func (f *Files) Problem(host string, now time.Time) string {
	leaf, err := x509.ParseCertificate(f.get().Certificate[0])
	switch {
	case err != nil:
		return err.Error()
	case leaf.VerifyHostname(host) != nil:
		return fmt.Sprintf("%s is for %v, not for %s", f.certificate, leaf.DNSNames, host)
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("%s has expired on %s", f.certificate,
			leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Sprintf("%s is valid only from %s", f.certificate,
			leaf.NotBefore.Format(time.DateOnly))
	}

	return ""
}

// Fingerprint returns the SHA-256 of the certificate in hex.
func (f *Files) Fingerprint() string {
	sum := sha256.Sum256(f.get().Certificate[0])
	return hex.EncodeToString(sum[:])
}
