// Package dkim keeps the private keys that a mail server signs with (RFC 6376): it makes
// them, reads them, and says what DNS has to hold for each. It knows neither DNS nor which
// server signs.
package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailpub/mailpub/plan/durable"
)

// Algorithms that keys are made for: RSA of 2048 bits, which every receiver knows
// (RFC 8301 section 3.2), and Ed25519, which few know yet (RFC 8463).
const (
	RSA     = "rsa"
	Ed25519 = "ed25519"
)

const rsaBits = 2048

// ErrNoKey says that there is no key file.
var ErrNoKey = errors.New("there is no key yet")

// Key is a private key. Its zero value is none. It prints as its algorithm, never as itself.
type Key struct{ signer crypto.Signer }

// Make makes a new key and writes it to path in PKCS #8 PEM, readable by its owner alone,
// with the directories that lead there. A file that is there is never replaced: that is an
// error that wraps fs.ErrExist. After a crash the file is whole or not there.
func Make(path, algorithm string) (Key, error) {
	if _, err := os.Lstat(path); err == nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", path, fs.ErrExist)
	}

	signer, err := generate(algorithm)
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", path, err)
	}

	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", path, err)
	}
	if err := durable.MakePrivate(filepath.Dir(path)); err != nil {
		return Key{}, fmt.Errorf("DKIM key: %w", err)
	}

	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := durable.Replace(path, block); err != nil {
		return Key{}, fmt.Errorf("DKIM key: %w", err)
	}

	return Key{signer}, nil
}

func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}

	return nil, fmt.Errorf("%q is no algorithm, want %s or %s", algorithm, RSA, Ed25519)
}

// Load reads a private key in PEM: PKCS #8, or PKCS #1 as older tools write RSA keys. The
// error wraps ErrNoKey where there is no file. An RSA key under 1024 bits is refused, as
// receivers do (RFC 8301 section 3.2).
func Load(path string) (Key, error) {
	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("DKIM key %s: %w", path, ErrNoKey)
	}
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key: %w", err)
	}

	k, err := parse(data)
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", path, err)
	}

	return k, nil
}

// Parse reads the text of a private key, as Load does. No error holds any of it.
func Parse(text string) (Key, error) { return parse([]byte(text)) }

func parse(data []byte) (Key, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return Key{}, errors.New("is no PEM file, want one that begins with -----BEGIN PRIVATE KEY-----")
	}

	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return Key{}, fmt.Errorf("holds a %q, want a PRIVATE KEY", block.Type)
	}

	if err != nil { // not wrapped: a parser may quote what it read
		return Key{}, errors.New("is damaged: it does not contain a private key")
	}

	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if n := key.N.BitLen(); n < 1024 {
			return Key{}, fmt.Errorf("is an RSA key of %d bits, want %d", n, rsaBits)
		}
		return Key{key}, nil
	case ed25519.PrivateKey:
		return Key{key}, nil
	}

	return Key{}, errors.New("is for another algorithm, want RSA or Ed25519")
}

// Algorithm returns RSA or Ed25519, "none" for the zero Key.
func (k Key) Algorithm() string {
	switch k.signer.(type) {
	case *rsa.PrivateKey:
		return RSA
	case ed25519.PrivateKey:
		return Ed25519
	}
	return "none"
}

// String returns the algorithm.
func (k Key) String() string { return k.Algorithm() }

// GoString returns the algorithm: not even %#v shows a key.
func (k Key) GoString() string { return k.Algorithm() }

// Record returns the text of the TXT record with the public half (RFC 6376 section
// 3.6.1; RFC 8463 section 4: an Ed25519 key stands bare).
func (k Key) Record() string {
	var public []byte
	switch key := k.signer.(type) {
	case *rsa.PrivateKey:
		public, _ = x509.MarshalPKIXPublicKey(&key.PublicKey) // can't fail for an RSA key
	case ed25519.PrivateKey:
		public = key.Public().(ed25519.PublicKey)
	}

	return "v=DKIM1; k=" + k.Algorithm() + "; p=" + base64.StdEncoding.EncodeToString(public)
}

// SignedBy reports, with a nil error, that what the key signs is proved by the given text of
// a record, as a receiver would prove it: a message is signed and verified.
func (k Key) SignedBy(record string) error {
	const message = "From: postmaster@example.org\r\nSubject: a check\r\n\r\nIs it ours?\r\n"
	var signed bytes.Buffer
	err := dkim.Sign(&signed, strings.NewReader(message), &dkim.SignOptions{
		Domain:   "example.org",
		Selector: "s",
		Signer:   k.signer,
	})

	if err != nil {
		return fmt.Errorf("the key does not sign: %w", err)
	}

	found, err := dkim.VerifyWithOptions(&signed, &dkim.VerifyOptions{
		LookupTXT: func(string) ([]string, error) { return []string{record}, nil },
	})

	if err != nil {
		return err
	}

	for _, v := range found {
		if v.Err != nil {
			return v.Err
		}
	}

	return nil
}
