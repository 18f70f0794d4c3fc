package smtpclient

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// KeyDigest returns the SHA-256 of the public key in a PEM file, in hex: of a certificate (the
// first, where there is a chain), of a public key, or of a private key's public half. It is
// the data of a TLSA record with selector 1 and matching type 1 (RFC 6698 section 2.1).
func KeyDigest(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}

	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return "", fmt.Errorf("%s: holds no certificate and no key in PEM", path)
		}
		if block.Type == "EC PARAMETERS" {
			continue
		}

		der, err := publicKey(block)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}

		return digest(der), nil
	}
}

func digest(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// publicKey returns the SubjectPublicKeyInfo in a block. The parsers' own errors are not
// passed on: they may quote what they read.
func publicKey(block *pem.Block) ([]byte, error) {
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("its certificate is damaged")
		}
		return c.RawSubjectPublicKeyInfo, nil
	case "PUBLIC KEY":
		_, err = x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("its public key is damaged")
		}
		return block.Bytes, nil
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("holds a %q, want a CERTIFICATE or a key", block.Type)
	}

	if err != nil {
		return nil, errors.New("its private key is damaged, or locked with a password")
	}

	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("its private key is of a kind that no server shows")
	}

	return x509.MarshalPKIXPublicKey(signer.Public())
}

// ErrNoTLS says that a server does not offer STARTTLS.
var ErrNoTLS = errors.New("the server does not offer STARTTLS")

// Served returns the certificates that the server at addr shows by STARTTLS when it is asked for
// host, its own first. Whether anybody trusts them is not checked. Where there is no STARTTLS
// the error is ErrNoTLS. dial may be nil.
func Served(ctx context.Context, dial Dial, addr, host string) ([]*x509.Certificate, error) {
	d, err := Hello(ctx, dial, addr)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	state, err := d.StartTLS(ctx, host)
	return state.PeerCertificates, err
}

// CertificateDigest is KeyDigest for a certificate that was shown.
func CertificateDigest(c *x509.Certificate) string { return digest(c.RawSubjectPublicKeyInfo) }

// StartTLS goes over to TLS (RFC 3207). It looks at the certificate without judging it:
// that is the caller's.
func (d *Conn) StartTLS(ctx context.Context, host string) (tls.ConnectionState, error) {
	offered := slices.ContainsFunc(d.Hello.Lines, func(l string) bool {
		return strings.EqualFold(l, "STARTTLS")
	})

	if !offered {
		return tls.ConnectionState{}, ErrNoTLS
	}

	r, err := d.Command(ctx, "STARTTLS")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	if r.Code != 220 {
		return tls.ConnectionState{}, fmt.Errorf("STARTTLS was answered %s", r)
	}
	if d.in.Buffered() > 0 { // RFC 3207 section 6: anything said before is forgotten
		return tls.ConnectionState{}, errors.New("the server spoke before TLS began")
	}
	if err := d.conn.SetDeadline(Deadline(ctx)); err != nil {
		return tls.ConnectionState{}, err
	}

	conn := tls.Client(d.conn, &tls.Config{
		ServerName:         CanonicalHost(host),
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
	})

	if err := conn.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, fmt.Errorf("TLS: %w", err)
	}

	d.conn = conn
	d.secure = true
	d.in.Reset(conn)

	return conn.ConnectionState(), nil
}
