package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func key(t *testing.T) (Key, string) {
	text := Generate()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

// What is sealed opens for the same tenant, name and version under the same key, and in no other case.
func TestOpen(t *testing.T) {
	kek, _ := key(t)
	own, sealedKey, err := kek.NewTenantKey("reseller/customer")
	if err != nil {
		t.Fatal(err)
	}

	where := For{Tenant: "reseller/customer", Name: "tsig", Version: 3}
	sealed := own.Seal(where, []byte("s3cret-word"))
	if bytes.Contains(sealed, []byte("s3cret")) ||
		bytes.Equal(sealed, own.Seal(where, []byte("s3cret-word"))) {
		t.Error("it is not sealed, or without a nonce of its own")
	}

	again, err := kek.OpenTenantKey("reseller/customer", sealedKey)
	if err != nil {
		t.Fatal(err)
	}

	if got, err := again.Open(where, sealed); err != nil || string(got) != "s3cret-word" {
		t.Fatalf("%q, %v", got, err)
	}

	other, _, _ := kek.NewTenantKey("reseller/other")
	for name, open := range map[string]func() ([]byte, error){
		"another tenant": func() ([]byte, error) {
			return own.Open(For{"reseller/other", "tsig", 3}, sealed)
		},
		"another name": func() ([]byte, error) {
			return own.Open(For{"reseller/customer", "tsi", 3}, sealed)
		},
		"another version": func() ([]byte, error) {
			return own.Open(For{"reseller/customer", "tsig", 2}, sealed)
		},
		"a shifted name": func() ([]byte, error) {
			return own.Open(For{"reseller/customert", "sig", 3}, sealed)
		},
		"another tenant's key": func() ([]byte, error) {
			return other.Open(where, sealed)
		},
		"the operator's key": func() ([]byte, error) { return kek.Open(where, sealed) },
		"no key": func() ([]byte, error) {
			return Key{}.Open(where, sealed)
		},
		"a tenant's key as a secret": func() ([]byte, error) {
			return kek.Open(For{Tenant: "reseller/customer"}, sealedKey)
		},
	} {
		if got, err := open(); err == nil || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}

	for n := range sealed {
		if _, err := own.Open(where, sealed[:n]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut to %d octets: %v", n, err)
		}

		changed := bytes.Clone(sealed)
		changed[n] ^= 1
		if _, err := own.Open(where, changed); !errors.Is(err, ErrSealed) {
			t.Errorf("octet %d changed: %v", n, err)
		}
	}

	if _, err := kek.OpenTenantKey("reseller/other", sealedKey); !errors.Is(err, ErrSealed) {
		t.Errorf("the key of another tenant: %v", err)
	}
}

// A new operator's key takes the place of the old one: tenants' keys are sealed anew, secrets stay.
func TestReseal(t *testing.T) {
	old, _ := key(t)
	fresh, _ := key(t)
	own, sealedKey, _ := old.NewTenantKey("a")
	sealed := own.Seal(For{"a", "x", 1}, []byte("word"))

	moved, err := old.Reseal("a", sealedKey, fresh)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := old.OpenTenantKey("a", moved); !errors.Is(err, ErrSealed) {
		t.Errorf("the old key still opens it: %v", err)
	}

	if _, err := fresh.Reseal("a", sealedKey, old); !errors.Is(err, ErrSealed) {
		t.Errorf("Reseal under the wrong key: %v", err)
	}

	again, err := fresh.OpenTenantKey("a", moved)
	if err != nil {
		t.Fatal(err)
	}

	if got, err := again.Open(For{"a", "x", 1}, sealed); err != nil || string(got) != "word" {
		t.Errorf("%q, %v", got, err)
	}
}

// No key and no secret is in an error or in what is printed.
func TestPrinted(t *testing.T) {
	kek, text := key(t)
	raw, _ := base64.StdEncoding.DecodeString(text)
	own, sealedKey, _ := kek.NewTenantKey("a")
	_, wrong := own.Open(For{"a", "x", 1}, own.Seal(For{"b", "x", 1}, []byte("s3cret")))
	_, short := ParseKey(text[:20])
	_, size := NewKey(raw[:16])

	printed := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v", kek, kek, kek, kek, kek, kek, kek,
		&kek, struct{ K Key }{own})

	for _, e := range []error{wrong, short, size} {
		if e == nil {
			t.Fatal("no error")
		}
		printed += e.Error()
	}

	for _, secret := range []string{text, text[:12], hex.EncodeToString(raw), fmt.Sprint(raw),
		"s3cret", string(sealedKey)} {
		if strings.Contains(printed, secret) {
			t.Errorf("%q is in %s", secret, printed)
		}
	}

	if kek.Fingerprint() == own.Fingerprint() || len(kek.Fingerprint()) != 16 {
		t.Error("fingerprints")
	}

	for _, bad := range []string{"", "x", "AAAA", text + "AAAA"} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}
