package dkim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestMade(t *testing.T) {
	for _, algorithm := range []string{RSA, Ed25519} {
		t.Run(algorithm, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys", "a.pem")
			made, err := Make(path, algorithm)
			if err != nil {
				t.Fatal(err)
			}

			if info, err := os.Stat(path); err != nil ||
				runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("the file is %v, want mode 0600 (%v)", info.Mode(), err)
			}

			read, err := Load(path)
			if err != nil || read.Record() != made.Record() || read.Algorithm() != algorithm {
				t.Fatalf("read back %q, %v; made %q", read.Record(), err, made.Record())
			}

			if err := read.SignedBy(made.Record()); err != nil {
				t.Errorf("its own record does not prove its signature: %v", err)
			}

			other, err := Make(path+"2", algorithm)
			if err != nil {
				t.Fatal(err)
			}

			if other.SignedBy(made.Record()) == nil {
				t.Error("another key's signature was proved")
			}

			if _, err := Make(path, algorithm); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a key that is there was made again: %v", err)
			}
		})
	}
}

// A record must not be longer than a receiver takes, and a revoked one proves nothing.
func TestRecord(t *testing.T) {
	k, err := Make(filepath.Join(t.TempDir(), "k"), RSA)
	if err != nil {
		t.Fatal(err)
	}

	if n := len(k.Record()); n < 400 || n > 450 {
		t.Errorf("an RSA record has %d octets", n)
	}

	for _, record := range []string{"v=DKIM1; k=rsa; p=", "v=DKIM1; k=rsa; p=!!",
		"v=DKIM1; k=ed25519; " + k.Record()[15:], ""} {
		if k.SignedBy(record) == nil {
			t.Errorf("%q proved a signature", record)
		}
	}
}

func TestSilent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	k, err := Make(path, RSA)
	if err != nil {
		t.Fatal(err)
	}

	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, k); got != "rsa" {
			t.Errorf("%s prints %q", format, got)
		}
	}
}

func TestNoKey(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}

	pkcs1 := pem.EncodeToMemory(&pem.Block{
		Type:  "RSA PRIVATE KEY",
		Bytes: x509.MarshalPKCS1PrivateKey(small),
	})

	dir := t.TempDir()
	for name, test := range map[string]struct{ text, want string }{
		"empty":     {"", "is no PEM file"},
		"word":      {"hello", "is no PEM file"},
		"public":    {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", `holds a "PUBLIC KEY"`},
		"damaged":   {"-----BEGIN PRIVATE KEY-----\nSECRETAA\n-----END PRIVATE KEY-----\n", "is damaged"},
		"old style": {string(pkcs1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}

			_, err := Load(path)
			if test.want == "" && err == nil {
				return
			}

			if err == nil || !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want the file and %q", err, test.want)
			}

			if strings.Contains(fmt.Sprint(err), "SECRET") {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}

	if _, err := Load(filepath.Join(dir, "absent")); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a file: %v", err)
	}

	if _, err := Make(filepath.Join(dir, "new"), "dsa"); err == nil ||
		!strings.Contains(err.Error(), `"dsa"`) {
		t.Errorf("an unknown algorithm: %v", err)
	}
}
