package dnscheck

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// issued is a certificate for the mail host, of an authority of that name.
func issued(t *testing.T, organization string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	name := pkix.Name{Organization: []string{organization}, CommonName: "R1"}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               name,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}

	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		DNSNames:     []string{"mail.nomeazienda.it"},
	}

	raw, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}

	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}

	return cert
}

// rsaText returns an RSA key as DKIM records have it.
func rsaText(t *testing.T, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}

	raw, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}

	return base64.StdEncoding.EncodeToString(raw)
}

// Each row publishes something, asks for something, and says what must be found.
func TestPolicyChecks(t *testing.T) {
	inUse := issued(t, "Let's Encrypt")
	sum := sha256.Sum256(inUse.RawSubjectPublicKeyInfo)
	spki := hex.EncodeToString(sum[:])
	key := rsaText(t, 1024)
	const signed = "\n@ IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
	proves := func(record string) error {
		if !strings.Contains(record, key) {
			return errors.New("crypto/rsa: verification error")
		}
		return nil
	}

	sel := func(f *Facts) { f.Domains[0].DKIM = []Selector{{"m1", proves}} }
	dane := func(f *Facts) { f.DANE = []uint16{25} }
	imaps := func(f *Facts) {
		f.Domains[0].Services = []mail.Service{{Name: "imaps", Host: "mail.nomeazienda.it.", Port: 993}}
	}

	noPOP := func(f *Facts) {
		f.Domains[0].Services = []mail.Service{{Name: "pop3s", Host: ".", Port: 995}}
	}

	auto := func(f *Facts) { f.Domains[0].Autoconfig = "mail.nomeazienda.it" }
	sts := func(f *Facts) { f.Domains[0].PolicyID = "abc123" }
	const over4 = "mail IN AAAA 2001:4860::2\n@ IN MX 1 b1\nb1 IN A 2.2.2.5\n@ IN MX 2 b2\nb2 IN A 2.2.2.5\n"
	both := func(f *Facts) {
		f.Public = append(f.Public, netip.MustParseAddr("2001:4860::2"))
	}

	owned := func(f *Facts) {
		f.Owned = []plan.Entry{{Key: mail.TaggedTXT(zonetest.Zone, "v=spf1"), Text: []string{`"v=spf1 mx ip4:2.2.2.2 -all"`}}}
	}

	for _, test := range []struct {
		name, zone string
		change     func(*Facts)
		check      string
		want       string
	}{
		{"a key", `m1._domainkey IN TXT "v=DKIM1; k=rsa; p=` + key + `"`, sel, "dkim.record m1._domainkey.nomeazienda.it", "pass: v=DKIM1"},
		{"a key that proves", `m1._domainkey IN TXT "v=DKIM1; k=rsa; p=` + key + `"`, sel, "dkim.match m1._domainkey.nomeazienda.it", "pass: "},
		{"no key", "", sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: no such name"},
		{"no key proves nothing", "", sel, "dkim.match m1._domainkey.nomeazienda.it", "fail: 0 records"},
		{"two keys", "m1._domainkey IN TXT \"p=" + key + "\"\nm1._domainkey IN TXT \"p=AAAA\"", sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: 2 records"},
		{"a revoked key", `m1._domainkey IN TXT "v=DKIM1; p="`, sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: the key is revoked"},
		{"a key cut off", `m1._domainkey IN TXT "v=DKIM1; p=MCowBQYDK2V"`, sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: p= is not base64"},
		{"a key of no version", `m1._domainkey IN TXT "v=DKIM2; p=AAAA"`, sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: v=DKIM2"},
		{"a short ed25519 key", `m1._domainkey IN TXT "k=ed25519; p=AAAA"`, sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: p= has 3 octets"},
		{"another's key", `m1._domainkey IN TXT "v=DKIM1; p=AAAA"`, sel, "dkim.match m1._domainkey.nomeazienda.it", "fail: does not (crypto"},
		{"a key without its private half", `m1._domainkey IN TXT "v=DKIM1; p=AAAA"`, func(f *Facts) { f.Domains[0].DKIM = []Selector{{Name: "m1"}} },
			"dkim.match m1._domainkey.nomeazienda.it", "skip: the private key is not here"},

		{"two policies", `_dmarc IN TXT "v=DMARC1; p=none"`, nil, "dmarc.single _dmarc.nomeazienda.it", "fail: "},
		{"two policies have no syntax", `_dmarc IN TXT "v=DMARC1; p=none"`, nil, "dmarc.syntax _dmarc.nomeazienda.it", "skip: 2 DMARC"},
		{"no policy", "-dmarc", nil, "dmarc.policy _dmarc.nomeazienda.it", "warn: none"},
		{"no policy is single", "-dmarc", nil, "dmarc.single _dmarc.nomeazienda.it", "unused: 0"},
		{"no policy has no syntax", "-dmarc", nil, "dmarc.syntax _dmarc.nomeazienda.it", "unused: no record"},
		{"one policy", "", nil, "dmarc.single _dmarc.nomeazienda.it", "pass: 1"},
		{"policy none", `-dmarc_dmarc IN TXT "v=DMARC1; p=none"`, nil, "dmarc.policy _dmarc.nomeazienda.it", "warn: none"},
		{"policy unknown", `-dmarc_dmarc IN TXT "v=DMARC1; p=maybe"`, nil, "dmarc.syntax _dmarc.nomeazienda.it", "fail: "},
		{"reports in the organization", `-dmarc_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:a@reports.nomeazienda.it"`, nil, "dmarc.reports _dmarc.nomeazienda.it", "pass: none go outside"},
		{"reports to who does not want them", `-dmarc_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:a@elsewhere.example"`, nil, "dmarc.reports _dmarc.nomeazienda.it", "fail: elsewhere.example does not say"},
		{"reports to who wants them", `-dmarc_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:a@willing.example!10m"`, nil, "dmarc.reports _dmarc.nomeazienda.it", "pass: willing.example takes them"},

		{"no MTA-STS", "", nil, "sts.record _mta-sts.nomeazienda.it", "unused: none"},
		{"MTA-STS is missing", "", sts, "sts.record _mta-sts.nomeazienda.it", "fail: none"},
		{"MTA-STS", `_mta-sts IN TXT "v=STSv1; id=abc123"`, sts, "sts.record _mta-sts.nomeazienda.it", "pass: v=STSv1"},
		{"MTA-STS of another policy", `_mta-sts IN TXT "v=STSv1; id=abc124"`, sts, "sts.record _mta-sts.nomeazienda.it", "fail: v=STSv1"},
		{"MTA-STS with a bad id", `_mta-sts IN TXT "v=STSv1; id=a-b"`, sts, "sts.record _mta-sts.nomeazienda.it", "fail: v=STSv1"},
		{"two of MTA-STS", "_mta-sts IN TXT \"v=STSv1; id=1\"\n_mta-sts IN TXT \"v=STSv1; id=2\"", nil, "sts.record _mta-sts.nomeazienda.it", "fail: "},
		{"MTA-STS of nobody", `_mta-sts IN TXT "v=STSv1; id=1"`, nil, "sts.record _mta-sts.nomeazienda.it", "skip: v=STSv1"},

		{"TLS reports", `_smtp._tls IN TXT "v=TLSRPTv1; rua=mailto:a@nomeazienda.it"`, nil, "tlsrpt.record _smtp._tls.nomeazienda.it", "pass: v=TLSRPTv1"},
		{"TLS reports to nowhere", `_smtp._tls IN TXT "v=TLSRPTv1; rua=a@nomeazienda.it"`, nil, "tlsrpt.record _smtp._tls.nomeazienda.it", "fail: v=TLSRPTv1"},
		{"two of TLS reports", "_smtp._tls IN TXT \"v=TLSRPTv1; rua=mailto:a@b.c\"\n_smtp._tls IN TXT \"v=TLSRPTv1; rua=mailto:d@b.c\"", nil, "tlsrpt.record _smtp._tls.nomeazienda.it", "fail: "},
		{"TLS reports are missing", "", func(f *Facts) { f.Domains[0].TLSRPT = true }, "tlsrpt.record _smtp._tls.nomeazienda.it", "fail: none"},

		{"no TLS reports", "", nil, "tlsrpt.record _smtp._tls.nomeazienda.it", "unused: none"},

		{"DKIM with backslashes in it", `m1._domainkey IN TXT "v=DKIM1\\; k=rsa\\; p=` + key + `"`, sel, "dkim.record m1._domainkey.nomeazienda.it", "fail: "},
		{"SPF with quotes in it", `@ IN TXT "\"v=spf1 -all\""`, nil, "spf.single nomeazienda.it", "pass: v=spf1 mx"},
		{"SPF over three hosts without IPv6", over4 + "@ IN MX 3 b3\nb3 IN A 2.2.2.5", both, "spf.pass 2001:4860::2 for nomeazienda.it",
			"warn: pass, but only after look-ups of 3 hosts without an IPv6 address: b1.nomeazienda.it, b2.nomeazienda.it, b3.nomeazienda.it"},
		{"SPF over two", over4, both, "spf.pass 2001:4860::2 for nomeazienda.it", "pass: pass"},
		{"SPF over three, of an IPv4 client", over4 + "@ IN MX 3 b3\nb3 IN A 2.2.2.5", both, "spf.pass 2.2.2.2 for nomeazienda.it", "pass: pass"},

		{"no TLSA", "", nil, "dane.match _25._tcp.mail.nomeazienda.it", "unused: no such name"},
		{"no CAA", "", nil, "caa.permits mail.nomeazienda.it", "unused: no CAA"},
		{"TLSA is missing", signed, dane, "dane.match _25._tcp.mail.nomeazienda.it", "fail: no such name"},
		{"TLSA", "_25._tcp.mail IN TLSA 3 1 1 " + spki + signed, dane, "dane.match _25._tcp.mail.nomeazienda.it", "pass: 3 1 1"},
		{"TLSA of the last key and this", "_25._tcp.mail IN TLSA 3 1 1 " + strings.Repeat("ab", 32) + "\n_25._tcp.mail IN TLSA 3 1 1 " + spki + signed, dane, "dane.match _25._tcp.mail.nomeazienda.it", "pass: 3 1 1"},
		{"TLSA of the last key", "_25._tcp.mail IN TLSA 3 1 1 " + strings.Repeat("ab", 32) + signed, dane, "dane.match _25._tcp.mail.nomeazienda.it", "fail: 3 1 1"},
		{"TLSA of a usage that counts for nothing", "_25._tcp.mail IN TLSA 1 1 1 " + spki + signed, dane, "dane.match _25._tcp.mail.nomeazienda.it", "fail: 1 1 1"},
		{"TLSA of a forgotten key", "_25._tcp.mail IN TLSA 3 1 1 " + strings.Repeat("ab", 32) + signed, nil, "dane.match _25._tcp.mail.nomeazienda.it", "fail: 3 1 1"},
		{"TLSA unsigned", "_25._tcp.mail IN TLSA 3 1 1 " + spki, dane, "dane.match _25._tcp.mail.nomeazienda.it", "fail: 3 1 1 " + spki + ", and zone nomeazienda.it is not signed"},

		{"CAA that permits", "@ IN CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"", nil, "caa.permits mail.nomeazienda.it", "pass: 0 issue"},
		{"CAA that forbids", `mail IN CAA 0 issue "digicert.com"`, nil, "caa.permits mail.nomeazienda.it", "fail: 0 issue"},
		{"CAA nearer than the other", "@ IN CAA 0 issue \"letsencrypt.org\"\nmail IN CAA 0 issue \";\"", nil, "caa.permits mail.nomeazienda.it", "fail: 0 issue"},
		{"CAA about wildcards alone", `@ IN CAA 0 issuewild ";"`, nil, "caa.permits mail.nomeazienda.it", "pass: 0 issuewild"},

		{"SRV", "_imaps._tcp IN SRV 0 1 993 mail", imaps, "srv.clients _imaps._tcp.nomeazienda.it", "pass: 0 1 993"},
		{"SRV to a wrong port", "_imaps._tcp IN SRV 0 1 143 mail", imaps, "srv.clients _imaps._tcp.nomeazienda.it", "fail: 0 1 143"},
		{"SRV to elsewhere", "_imaps._tcp IN SRV 0 1 993 web", imaps, "srv.clients _imaps._tcp.nomeazienda.it", "fail: 0 1 993"},
		{"SRV is missing", "", imaps, "srv.clients _imaps._tcp.nomeazienda.it", "fail: no such name"},
		{"SRV that says no", "_pop3s._tcp IN SRV 0 0 0 .", noPOP, "srv.clients _pop3s._tcp.nomeazienda.it", "pass: no such service"},

		{"autoconfig", "autoconfig IN CNAME mail", auto, "autoconfig.served autoconfig.nomeazienda.it", "pass: an alias of mail"},
		{"autoconfig by address", "autoconfig IN A 2.2.2.2", auto, "autoconfig.served autoconfig.nomeazienda.it", "pass: 2.2.2.2"},
		{"autoconfig elsewhere", "autoconfig IN CNAME web", auto, "autoconfig.served autoconfig.nomeazienda.it", "fail: "},
		{"autodiscover is missing", "autoconfig IN CNAME mail", auto, "autoconfig.served autodiscover.nomeazienda.it", "fail: no such name"},

		{"what is owned is there", "", owned, "dns.drift nomeazienda.it. TXT v=spf1", "pass: "},
		{"what is owned is gone", "-spf", owned, "dns.drift nomeazienda.it. TXT v=spf1", "fail: none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone := zonetest.GoodZone
			more := test.zone
			if rest, without := strings.CutPrefix(more, "-dmarc"); without {
				zone = strings.Replace(zone, `_dmarc IN TXT "v=DMARC1; p=reject"`, "", 1)
				more = rest
			}

			if rest, without := strings.CutPrefix(more, "-spf"); without {
				zone = strings.Replace(zone, `@ IN TXT "v=spf1 mx ip4:2.2.2.2 -all"`, "", 1)
				more = rest
			}

			others := strings.ReplaceAll(zonetest.GoodReverse, "2 IN PTR", "x IN PTR")
			f := siteFacts(zonetest.Serve(t, map[string]string{
				zonetest.Zone: zone + more + "\n", zonetest.ReverseZone: zonetest.GoodReverse,
				"elsewhere.example.": others,
				"willing.example.": others +
					`nomeazienda.it._report._dmarc IN TXT "v=DMARC1"` + "\n",
			}))

			for _, z := range []string{"elsewhere.example.", "willing.example."} {
				f.Nameservers[z] = f.Nameservers[zonetest.Zone]
			}

			f.Served = func(context.Context, uint16) ([]*x509.Certificate, error) {
				return []*x509.Certificate{inUse}, nil
			}

			if test.change != nil {
				test.change(&f)
			}

			checkers := Checks(f)
			found := plan.RunChecks(t.Context(), checkers)
			wellFormed(t, checkers, found)
			i := slices.IndexFunc(found, func(c plan.Check) bool {
				return c.ID+" "+c.Subject.String() == test.check
			})

			if i < 0 {
				t.Fatalf("%s is not among the findings", test.check)
			}

			status := string(found[i].Status)
			if found[i].Unused {
				status = "unused"
			}

			if is := status + ": " + found[i].Got; !strings.HasPrefix(is, test.want) {
				t.Errorf("%s is %q, want %q", test.check, is, test.want)
			}
		})
	}
}

// Without the mail server's certificate nothing is claimed of it.
func TestCertificateUnknown(t *testing.T) {
	zone := zonetest.GoodZone + "_25._tcp.mail IN TLSA 3 1 1 " + strings.Repeat("ab", 32) +
		"\nmail IN CAA 0 issue \"letsencrypt.org\"\n" +
		"@ IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n"

	f := siteFacts(zonetest.Serve(t, map[string]string{zonetest.Zone: zone,
		zonetest.ReverseZone: zonetest.GoodReverse}))

	for name, served := range map[string]Served{
		"not asked": nil,
		"no answer": func(context.Context, uint16) ([]*x509.Certificate, error) {
			return nil, errors.New("no STARTTLS")
		},
	} {
		f.Served = served
		for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
			if (c.ID == "dane.match" || c.ID == "caa.permits") && c.Status != plan.Skip {
				t.Errorf("%s: %s is %s", name, c.ID, c.Status)
			}
		}
	}

	f.Served = func(context.Context, uint16) ([]*x509.Certificate, error) {
		return []*x509.Certificate{issued(t, "My Own")}, nil
	}

	for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
		if c.ID == "caa.permits" && (c.Status != plan.Skip ||
			!strings.Contains(c.Got, "My Own")) {
			t.Errorf("an unknown authority: %s: %s", c.Status, c.Got)
		}
	}
}

// A DMARC policy of none is advice where the config asks for it, or for no policy at all; where it
// asks for a stricter one, or the record is another, it is drift.
func TestDMARCAdvice(t *testing.T) {
	for _, test := range []struct {
		name, wanted, record string
		advice               bool
	}{
		{"nothing is asked for", "", "", true},
		{"none is asked for, and there", "none", "v=DMARC1; p=none; rua=mailto:a@nomeazienda.it", true},
		{"none is asked for, and gone", "none", "", false},
		{"none is asked for, and broken", "none", "v=DMARC1; p=nine", false},
		{"reject is asked for", "reject", "v=DMARC1; p=none", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone := strings.Replace(zonetest.GoodZone, `_dmarc IN TXT "v=DMARC1; p=reject"`,
				"", 1)

			if test.record != "" {
				zone += `_dmarc IN TXT "` + test.record + "\"\n"
			}

			f := siteFacts(zonetest.Serve(t,
				map[string]string{zonetest.Zone: zone,
					zonetest.ReverseZone: zonetest.GoodReverse}))

			f.Domains[0].DMARC = test.wanted
			found := plan.RunChecks(t.Context(),
				plan.SelectCheckers(Checks(f), []string{"dmarc.policy"}))

			i := slices.IndexFunc(found, func(c plan.Check) bool {
				return c.ID == "dmarc.policy"
			})

			if i < 0 || found[i].Status != plan.Warn || found[i].Advice != test.advice {
				t.Errorf("%+v, want a warning, advice %v", found, test.advice)
			}
		})
	}
}
