package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// keyPair is a private key and the SHA-256 of its public half, as TLSA records have it.
type keyPair struct {
	*ecdsa.PrivateKey
	digest string
}

func newKeyPair(t testing.TB) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}

	sum := sha256.Sum256(public)
	return keyPair{key, hex.EncodeToString(sum[:])}
}

// issuer is an authority for certificates.
type issuer struct {
	t    testing.TB
	key  keyPair
	cert *x509.Certificate
	pem  []byte
}

func newIssuer(t testing.TB, organization string) *issuer {
	i := &issuer{t: t, key: newKeyPair(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject: pkix.Name{
			Organization: []string{organization},
			CommonName:   "root",
		},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, template, i.key.Public(),
		i.key.PrivateKey)

	if err != nil {
		t.Fatal(err)
	}

	if i.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}

	i.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	return i
}

// issue returns a certificate for a host, valid from an hour ago for 90 days, unless change, which
// may be left out, says otherwise.
func (i *issuer) issue(key keyPair, host string, change ...func(*x509.Certificate)) *tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(0, 0, 90),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}

	for _, c := range change {
		c(template)
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, i.cert, key.Public(),
		i.key.PrivateKey)

	if err != nil {
		i.t.Error(err)
		return nil
	}

	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key.PrivateKey}
}

// pem returns the private key as a file has it.
func (k keyPair) pem(t testing.TB) []byte {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(k.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}
