package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// put writes a certificate for a name, valid until end, and its key.
func put(t *testing.T, dir, host string, end time.Time) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	c := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{host},
		NotBefore:    end.Add(-48 * time.Hour),
		NotAfter:     end,
	}

	raw, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}

	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}

	certificate = filepath.Join(dir, "cert.pem")
	key = filepath.Join(dir, "key.pem")
	for path, b := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: raw},
		key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}

	return certificate, key
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	now := time.Now()
	certificate, key := put(t, dir, "mail.nomeazienda.it", now.Add(24*time.Hour))
	f, err := FromFiles(certificate, key, log)
	if err != nil {
		t.Fatal(err)
	}

	if problem := f.Problem("mail.nomeazienda.it", now); problem != "" {
		t.Error(problem)
	}

	for want, at := range map[string]time.Time{"expired": now.Add(25 * time.Hour),
		"valid only from": now.Add(-72 * time.Hour)} {
		if problem := f.Problem("mail.nomeazienda.it", at); !strings.Contains(problem, want) {
			t.Errorf("%q, want %q", problem, want)
		}
	}

	if problem := f.Problem("other.example.org", now); !strings.Contains(problem,
		"not for other.example.org") {
		t.Error(problem)
	}

	first := f.get()
	if f.get() != first {
		t.Error("it was read again though nothing changed")
	}

	put(t, dir, "mail.nomeazienda.it", now.Add(48*time.Hour))
	second := f.get()
	if second == first {
		t.Error("it was not read again")
	}

	if err := os.WriteFile(key, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}

	if f.get() != second {
		t.Error("a pair that can't be read replaced the old one")
	}

	if _, err := FromFiles(certificate, key, log); err == nil ||
		!strings.Contains(err.Error(), certificate) {
		t.Errorf("a bad pair: %v", err)
	}

	if _, err := FromFiles(filepath.Join(dir, "none"), key, log); !errors.Is(err,
		fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
