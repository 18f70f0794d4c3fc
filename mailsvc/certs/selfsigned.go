package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/mailpub/mailpub/plan/durable"
)

// selfSignedFor is how long a certificate of one's own is valid. Whoever trusts it does so by its
// fingerprint, so that an end would only be a nuisance.
const selfSignedFor = 20 * 365 * 24 * time.Hour

// SelfSigned returns the files of a certificate of one's own in dir, made the first time, for
// clients that know it by its fingerprint. The key is its owner's alone.
func SelfSigned(dir, name string) (certificate, key string, err error) {
	certificate = filepath.Join(dir, name+".pem")
	key = filepath.Join(dir, name+".key")
	_, err = os.Stat(certificate)
	_, err2 := os.Stat(key)
	if err == nil && err2 == nil {
		return certificate, key, nil
	}
	if err = errors.Join(err, err2); !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("certificate: %w", err)
	}

	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}

	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", "", err
	}

	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "mailpub " + name},
		DNSNames:     []string{name + ".mailpub.invalid"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(selfSignedFor),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		return "", "", err
	}

	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", "", err
	}
	if err := durable.MakePrivate(dir); err != nil {
		return "", "", err
	}
	if err := durable.Replace(key, pem.EncodeToMemory(&pem.Block{
		Type:  "PRIVATE KEY",
		Bytes: private,
	})); err != nil {
		return "", "", err
	}

	return certificate, key, durable.Replace(certificate, pem.EncodeToMemory(&pem.Block{
		Type:  "CERTIFICATE",
		Bytes: raw,
	}))
}
