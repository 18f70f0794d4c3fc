package receiver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"
)

// selfSigned returns a certificate for mail.nomeazienda.it and the pool that trusts it.
func selfSigned(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{site.Hostname},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}

	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}

	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, pool
}

func TestStartTLS(t *testing.T) {
	config, pool := selfSigned(t)
	r := start(t, site, func(s *Server) { s.TLS = func() *tls.Config { return config } })
	c := r.dial(t)

	if got := c.say("EHLO client.example", "250"); !strings.Contains(got, "\n250-STARTTLS\n") {
		t.Errorf("EHLO is answered %q", got)
	}

	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("STARTTLS now", "501")
	c.say("STARTTLS", "220")
	secure := tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: site.Hostname})
	c.conn, c.in = secure, bufio.NewReader(secure)

	// What was said before is forgotten (RFC 3207 section 4.2).
	c.say("RCPT TO:<postmaster>", "503")
	c.say("MAIL FROM:<a@client.example>", "503")
	if got := c.say("EHLO other.example", "250-mail.nomeazienda.it"); strings.Contains(got,
		"STARTTLS") {
		t.Errorf("EHLO under TLS is answered %q", got)
	}

	c.say("STARTTLS", "503")
	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("RCPT TO:<postmaster>", "250") // what is put right holds under TLS too
	c.say("DATA", "354")
	c.send("Subject: secret\r\n\r\n.\r\n")
	c.expect("250")
	c.say("QUIT", "221")
	got := readAll(t, r)

	if len(got) != 1 || !strings.Contains(got[0], "from other.example ") ||
		!strings.Contains(got[0], " with ESMTPS id ") {
		t.Errorf("stored %q", got)
	}
}

// TestStartTLSInjection puts a command behind STARTTLS, to be taken for one under TLS.
func TestStartTLSInjection(t *testing.T) {
	config, _ := selfSigned(t)
	r := start(t, site, func(s *Server) { s.TLS = func() *tls.Config { return config } })
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.send("STARTTLS\r\nEHLO injected.example\r\n")
	c.expect("501 5.5.1")
	c.expect("")

	c = r.dial(t) // and no handshake at all
	c.say("EHLO client.example", "250")
	c.say("STARTTLS", "220")
	c.send("EHLO client.example\r\n")

	if got := c.reply(); strings.HasPrefix(got, "250") {
		t.Errorf("without a handshake: %q", got)
	}
}

func TestStopUnderTLS(t *testing.T) {
	config, pool := selfSigned(t)
	r := start(t, site, func(s *Server) {
		s.TLS = func() *tls.Config { return config }
		s.StopTimeout = time.Hour
	})

	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.say("STARTTLS", "220")
	secure := tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: site.Hostname})
	c.conn, c.in = secure, bufio.NewReader(secure)
	c.say("EHLO client.example", "250")
	if err := r.stop(); err != nil {
		t.Error(err)
	}

	c.expect("421 4.3.2")
}
