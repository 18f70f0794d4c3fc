package check

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	parent, with := template, key
	if a != nil {
		parent = a.cert
		with = a.key
	}

	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}

	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}

	return cert
}

func (a *authority) under(t *testing.T, name string, from, until time.Time) *authority {
	key := newKey(t)
	return &authority{a.sign(t, &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
		NotBefore:             from,
		NotAfter:              until,
	}, key), key}
}

// shows is a mail server that shows a chain.
func shows(key *ecdsa.PrivateKey, chain ...*x509.Certificate) func(net.Conn) {
	var raw [][]byte
	for _, c := range chain {
		raw = append(raw, c.Raw)
	}

	return func(conn net.Conn) {
		defer conn.Close()

		in := bufio.NewReader(conn)
		fmt.Fprintf(conn, "220 %s ESMTP\r\n", smtptest.Host)
		in.ReadString('\n')
		fmt.Fprintf(conn, "250-%s\r\n250 STARTTLS\r\n", smtptest.Host)

		if line, _ := in.ReadString('\n'); !strings.HasPrefix(line, "STARTTLS") {
			return
		}

		fmt.Fprint(conn, "220 go on\r\n")
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{{Certificate: raw, PrivateKey: key}}})
		if secure.Handshake() == nil {
			bufio.NewReader(secure).ReadString('\n')
		}

		secure.Close()
	}
}

func TestCertificate(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	year := 365 * 24 * time.Hour
	root := (*authority)(nil).under(t, "root", now.Add(-year), now.Add(year))
	between := root.under(t, "between", now.Add(-year), now.Add(year))
	key := newKey(t)
	issue := func(by *authority, name string, from, until time.Time) *x509.Certificate {
		return by.sign(t, &x509.Certificate{
			SerialNumber: big.NewInt(2),
			DNSNames:     []string{name},
			NotBefore:    from,
			NotAfter:     until,
		}, key)
	}

	good := issue(root, smtptest.Host, now.Add(-time.Hour), now.Add(60*24*time.Hour))
	long := issue(between, smtptest.Host, now.Add(-time.Hour), now.Add(60*24*time.Hour))
	tests := []struct {
		name           string
		chain          []*x509.Certificate
		status, strict plan.Status // without a policy, and with
		hint           string
	}{
		{"good", []*x509.Certificate{good}, plan.Pass, plan.Pass, ""},
		{"with its chain", []*x509.Certificate{long, between.cert}, plan.Pass, plan.Pass, ""},
		{"without its chain", []*x509.Certificate{long}, plan.Warn, plan.Fail, "whole chain"},
		{"expired", []*x509.Certificate{issue(root, smtptest.Host, now.Add(-2*time.Hour), now.Add(-time.Hour))}, plan.Fail, plan.Fail, "has expired"},
		{"of the future", []*x509.Certificate{issue(root, smtptest.Host, now.Add(time.Hour), now.Add(2*time.Hour))}, plan.Fail, plan.Fail, "not valid before 2026-06-01T13:00:00Z"},
		{"ends soon", []*x509.Certificate{issue(root, smtptest.Host, now.Add(-time.Hour), now.Add(24*time.Hour))}, plan.Warn, plan.Warn, "renewed by now"},
		{"of another name", []*x509.Certificate{issue(root, "www.nomeazienda.it", now.Add(-time.Hour), now.Add(year))}, plan.Warn, plan.Fail, "another name"},
		{"its own authority", []*x509.Certificate{issue(nil, smtptest.Host, now.Add(-time.Hour), now.Add(year))}, plan.Warn, plan.Fail, "no authority vouches"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := facts(smtptest.Serve(t, shows(key, test.chain...)))
			f.Now = func() time.Time { return now }
			f.Roots = x509.NewCertPool()
			f.Roots.AddCert(root.cert)

			for strict, status := range map[string]plan.Status{"": test.status,
				"MTA-STS": test.strict} {
				f.Strict = strict
				c := one(t, run(t, f, "smtp.certificate"), "")
				want(t, c, status, "")
				if !strings.Contains(c.Hint, test.hint) {
					t.Errorf("hint %q, want %q", c.Hint, test.hint)
				}
			}
		})
	}

	want(t, one(t, run(t, facts((&smtptest.Server{}).Start(t)), "smtp.certificate"), ""),
		plan.Skip, "does not offer STARTTLS")
}
