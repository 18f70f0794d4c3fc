package smtpclient

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certified is a key and a certificate for it.
func certified(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"mail.nomeazienda.it"},
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}

	return key, raw
}

func TestKeyDigest(t *testing.T) {
	key, cert := certified(t)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}

	sum := sha256.Sum256(spki)
	want := hex.EncodeToString(sum[:])
	ec, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}

	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		var text []byte
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}

		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}

	for kind, blocks := range map[string][]*pem.Block{
		"certificate": {{Type: "CERTIFICATE", Bytes: cert}, {Type: "CERTIFICATE", Bytes: []byte("the issuer's")}},
		"public":      {{Type: "PUBLIC KEY", Bytes: spki}},
		"sec1":        {{Type: "EC PARAMETERS", Bytes: []byte{6}}, {Type: "EC PRIVATE KEY", Bytes: ec}},
		"pkcs8":       {{Type: "PRIVATE KEY", Bytes: pkcs8}},
	} {
		if got, err := KeyDigest(write(kind, blocks...)); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", kind, got, err, want)
		}
	}

	for kind, block := range map[string]*pem.Block{
		"is damaged":          {Type: "CERTIFICATE", Bytes: []byte("x")},
		"is damaged, or lock": {Type: "PRIVATE KEY", Bytes: []byte("SECRET")},
		"ENCRYPTED":           {Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")},
	} {
		path := write("bad", block)
		if _, err := KeyDigest(path); err == nil || !strings.Contains(err.Error(), kind) ||
			!strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("want %q and the file, got %v", kind, err)
		}
	}

	if _, err := KeyDigest(write("none")); err == nil ||
		!strings.Contains(err.Error(), "no certificate") {
		t.Errorf("an empty file: %v", err)
	}

	if _, err := KeyDigest(filepath.Join(dir, "absent")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// A server whose certificate nobody trusts still shows its key.
func TestServed(t *testing.T) {
	key, cert := certified(t)
	serve := func(offer string, after string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { l.Close() })
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}

			defer conn.Close()

			in := bufio.NewReader(conn)
			fmt.Fprint(conn, "220 mail.nomeazienda.it ESMTP\r\n")
			in.ReadString('\n')
			fmt.Fprintf(conn, "250-mail.nomeazienda.it\r\n250 %s\r\n", offer)

			if line, _ := in.ReadString('\n'); !strings.HasPrefix(line, "STARTTLS") {
				return
			}

			fmt.Fprint(conn, after)
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
			secure.Handshake()
			secure.Close()
		}()

		return l.Addr().String()
	}

	want, err := publicKey(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	if err != nil {
		t.Fatal(err)
	}

	got, err := Served(context.Background(), nil, serve("STARTTLS", "220 go on\r\n"),
		"mail.nomeazienda.it")

	if err != nil || len(got) != 1 || CertificateDigest(got[0]) != digest(want) {
		t.Errorf("%v, %v, want %s", got, err, digest(want))
	}

	for want, said := range map[string][2]string{
		"not offer":  {"SIZE 10", ""},
		"454":        {"STARTTLS", "454 not now\r\n"},
		"before TLS": {"STARTTLS", "220 go on\r\n250 injected\r\n"},
	} {
		_, err := Served(context.Background(), nil, serve(said[0], said[1]),
			"mail.nomeazienda.it")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
