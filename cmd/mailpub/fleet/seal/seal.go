// Package seal keeps the secrets of tenants so that a copy of the database is worth nothing: each secret is
// sealed with AES-256-GCM under its tenant's key, and each tenant's key under the operator's, which is in no
// database. What belongs to what is authenticated: a sealed secret opens under its own tenant, name and
// version alone, and a tenant's key under its own tenant.
//
// It knows no database and no network. No error, and no value that is printed, holds a key or a secret.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// KeySize is that of AES-256, in octets.
const KeySize = 32

// format begins what is sealed, so that a later one can be told from it.
const format = 1

// ErrSealed means that something does not open: it was sealed under another key, for something else, or was
// changed. Which of these cannot be told.
var ErrSealed = errors.New("cannot be opened: it was sealed under another key, for another tenant, name or version, or it was changed")

// Key seals what belongs to one tenant, or the keys of tenants. It prints as its fingerprint.
type Key struct {
	aead        cipher.AEAD
	fingerprint string
}

// NewKey takes the octets of a key.
func NewKey(raw []byte) (Key, error) {
	if len(raw) != KeySize {
		return Key{}, fmt.Errorf("the key has %d octets, want %d", len(raw), KeySize)
	}

	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, errors.New("the key cannot be used with AES-256")
	}

	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Key{}, errors.New("the key cannot be used with AES-256-GCM")
	}

	sum := sha256.Sum256(append([]byte("mailpub/seal/fingerprint\n"), raw...))
	return Key{aead: aead, fingerprint: fmt.Sprintf("%x", sum[:8])}, nil
}

// ParseKey reads a key as Generate prints it: base64 of 32 octets.
func ParseKey(text string) (Key, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != KeySize {
		return Key{}, fmt.Errorf("is not a key for sealing, want base64 of %d random octets: openssl rand -base64 %d",
			KeySize, KeySize)
	}
	return NewKey(raw)
}

// Generate returns a new key as text.
func Generate() string { return base64.StdEncoding.EncodeToString(random(KeySize)) }

// random returns random octets; crypto/rand never fails (it ends the program instead).
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Fingerprint tells keys apart and says nothing of them.
func (k Key) Fingerprint() string { return k.fingerprint }

// String, GoString and Format keep the key out of what is printed with %v, %+v and %#v.
func (k Key) String() string   { return "key " + k.fingerprint }
func (k Key) GoString() string { return k.String() }

// Format implements fmt.Formatter for every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// For is what something sealed belongs to.
type For struct {
	Tenant  string
	Name    string // "" for the tenant's own key
	Version int64
}

// bytes are the additional data of AES-GCM. Each part has its length before it: no two are the same.
func (w For) bytes(purpose string) []byte {
	var out []byte
	for _, part := range []string{"mailpub/seal/v1", purpose, w.Tenant, w.Name} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return binary.BigEndian.AppendUint64(out, uint64(w.Version))
}

const (
	secretPurpose = "secret"
	keyPurpose    = "tenant key"
)

// Seal seals a secret.
func (k Key) Seal(w For, secret []byte) []byte { return k.seal(w.bytes(secretPurpose), secret) }

// Open opens what Seal made, for the same tenant, name and version.
func (k Key) Open(w For, sealed []byte) ([]byte, error) {
	plain, err := k.open(w.bytes(secretPurpose), sealed)
	if err != nil {
		return nil, fmt.Errorf("secret %q of %q, version %d: %w", w.Name, w.Tenant, w.Version,
			err)
	}
	return plain, nil
}

// NewTenantKey makes a key for a tenant, and seals it under k.
func (k Key) NewTenantKey(tenant string) (own Key, sealed []byte, err error) {
	raw := random(KeySize)
	own, err = NewKey(raw)
	return own, k.seal(For{Tenant: tenant}.bytes(keyPurpose), raw), err
}

// OpenTenantKey opens the key of a tenant that was sealed under k.
func (k Key) OpenTenantKey(tenant string, sealed []byte) (Key, error) {
	raw, err := k.open(For{Tenant: tenant}.bytes(keyPurpose), sealed)
	if err != nil {
		return Key{}, fmt.Errorf("key of tenant %q: %w", tenant, err)
	}
	return NewKey(raw)
}

// Reseal seals a tenant's key, which is under k, under another key: secrets stay as they are.
func (k Key) Reseal(tenant string, sealed []byte, under Key) ([]byte, error) {
	raw, err := k.open(For{Tenant: tenant}.bytes(keyPurpose), sealed)
	if err != nil {
		return nil, fmt.Errorf("key of tenant %q: %w", tenant, err)
	}
	return under.seal(For{Tenant: tenant}.bytes(keyPurpose), raw), nil
}

func (k Key) seal(about, plain []byte) []byte {
	nonce := random(k.aead.NonceSize())
	out := append([]byte{format}, nonce...)
	return k.aead.Seal(out, nonce, plain, about)
}

func (k Key) open(about, sealed []byte) ([]byte, error) {
	if k.aead == nil {
		return nil, errors.New("there is no key to open it with")
	}

	head := 1 + k.aead.NonceSize()
	if len(sealed) < head+k.aead.Overhead() || sealed[0] != format {
		return nil, ErrSealed
	}

	plain, err := k.aead.Open(nil, sealed[1:head], sealed[head:], about)
	if err != nil {
		return nil, ErrSealed
	}

	return plain, nil
}
