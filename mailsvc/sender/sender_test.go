package sender

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/authres"
	"github.com/emersion/go-msgauth/dkim"
)

// world is what DNS says: texts by name, and who passes SPF.
type world struct {
	texts map[string][]string
	spf   string
}

func (w world) checker() *Checker {
	return &Checker{
		Host: "mail.nomeazienda.it",
		SPF: func(context.Context, netip.Addr, string, string) (string, error) {
			return w.spf, nil
		},
		Texts: func(_ context.Context, name string) ([]string, error) {
			if strings.Contains(name, "silent") {
				return nil, &net.DNSError{Err: "no reply", Name: name, IsTemporary: true}
			}

			t, ok := w.texts[name]
			if !ok {
				return nil, &net.DNSError{Err: "no such name", Name: name, IsNotFound: true}
			}

			return t, nil
		},
	}
}

// results parses the header that is put on a message.
func results(t *testing.T, w world, e Envelope, message string) map[string]string {
	t.Helper()
	header, err := w.checker().Results(t.Context(), e, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}

	if !strings.HasPrefix(header, "Authentication-Results: mail.nomeazienda.it;\r\n\t") ||
		!strings.HasSuffix(header, "\r\n") {
		t.Fatalf("header is %q", header)
	}

	for l := range strings.SplitSeq(strings.TrimSuffix(header, "\r\n"), "\r\n") {
		if strings.ContainsAny(l, "\r\n") || l == "" {
			t.Errorf("line %q in %q", l, header)
		}
	}

	host, parsed, err := authres.Parse(strings.TrimSpace(strings.TrimPrefix(header,
		"Authentication-Results:")))

	if err != nil || host != "mail.nomeazienda.it" {
		t.Fatalf("%q: %v", header, err)
	}

	got := map[string]string{}
	for _, r := range parsed {
		switch r := r.(type) {
		case *authres.SPFResult:
			got["spf"] = string(r.Value) + " " + r.From + r.Helo
		case *authres.DKIMResult:
			got["dkim"] += string(r.Value) + " " + r.Domain + ";"
		case *authres.DMARCResult:
			got["dmarc"] = string(r.Value) + " " + r.From
		}
	}

	return got
}

func TestResults(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}

	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	sign := func(domain, message string) string {
		var b bytes.Buffer
		if err := dkim.Sign(&b, strings.NewReader(message), &dkim.SignOptions{
			Domain:   domain,
			Selector: "s",
			Signer:   private,
		}); err != nil {
			t.Fatal(err)
		}

		return b.String()
	}

	plainText := "From: Mario <mario@example.org>\r\nSubject: x\r\n\r\nhello\r\n"
	texts := map[string][]string{
		"s._domainkey.example.org": {record}, "s._domainkey.other.example": {record},
		"s._domainkey.news.example.org": {record},
		"_dmarc.example.org":            {"v=DMARC1; p=reject"},
		"_dmarc.strict.example":         {"v=DMARC1; p=reject; adkim=s; aspf=s"},
		"_dmarc.two.example":            {"v=DMARC1; p=reject", "v=DMARC1; p=none"},
		"_dmarc.broken.example":         {"v=DMARC1; p=maybe"},
	}

	from := func(domain string) string {
		return strings.Replace(plainText, "example.org", domain, 1)
	}

	for name, test := range map[string]struct {
		spf, sender, message string
		want                 map[string]string
	}{
		"signed by the author":     {"none", "bounce@lists.example", sign("example.org", plainText), map[string]string{"dkim": "pass example.org;", "dmarc": "pass example.org", "spf": "none lists.example"}},
		"signed by a subdomain":    {"none", "b@x.example", sign("news.example.org", plainText), map[string]string{"dkim": "pass news.example.org;", "dmarc": "pass example.org"}},
		"signed by another":        {"pass", "b@other.example", sign("other.example", plainText), map[string]string{"dkim": "pass other.example;", "dmarc": "fail example.org", "spf": "pass other.example"}},
		"sent by the author":       {"pass", "mario@example.org", plainText, map[string]string{"dkim": "none ;", "dmarc": "pass example.org", "spf": "pass example.org"}},
		"a bounce":                 {"pass", "", plainText, map[string]string{"spf": "pass mx.example.org", "dmarc": "pass example.org"}},
		"forged":                   {"fail", "mario@example.org", plainText, map[string]string{"spf": "fail example.org", "dmarc": "fail example.org"}},
		"changed on the way":       {"none", "b@x.example", strings.Replace(sign("example.org", plainText), "hello", "goodbye", 1), map[string]string{"dkim": "fail example.org;", "dmarc": "fail example.org"}},
		"a key that is not there":  {"none", "b@x.example", sign("nokey.example", plainText), map[string]string{"dkim": "permerror nokey.example;"}},
		"a key that nobody tells":  {"none", "b@x.example", sign("silent.example", plainText), map[string]string{"dkim": "temperror silent.example;"}},
		"no policy":                {"pass", "b@free.example", from("free.example"), map[string]string{"dmarc": "none free.example"}},
		"a policy of the parent":   {"none", "b@x.example", from("sub.example.org"), map[string]string{"dmarc": "fail sub.example.org"}},
		"a strict policy":          {"pass", "b@sub.strict.example", from("strict.example"), map[string]string{"dmarc": "fail strict.example"}},
		"two policies":             {"none", "b@x.example", from("two.example"), map[string]string{"dmarc": "none two.example"}},
		"a broken policy":          {"none", "b@x.example", from("broken.example"), map[string]string{"dmarc": "permerror broken.example"}},
		"a policy nobody tells":    {"none", "b@x.example", from("silent.example"), map[string]string{"dmarc": "temperror silent.example"}},
		"two authors":              {"pass", "mario@example.org", "From: a@example.org\r\nFrom: b@example.org\r\n\r\nx\r\n", map[string]string{"dmarc": "permerror "}},
		"authors of two domains":   {"pass", "mario@example.org", "From: a@example.org, b@other.example\r\n\r\nx\r\n", map[string]string{"dmarc": "permerror "}},
		"no author":                {"pass", "mario@example.org", "Subject: x\r\n\r\nx\r\n", map[string]string{"dmarc": "permerror "}},
		"nothing at all":           {"none", "b@x.example", "", map[string]string{"dkim": "none ;", "dmarc": "permerror "}},
		"a sender that is a trick": {"fail", `"a\r\nX: y"@evil;dmarc=pass.example`, plainText, map[string]string{"spf": `fail "evil?dmarc?pass.example"`}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Envelope{
				Remote: netip.MustParseAddr("192.0.2.1"),
				Helo:   "mx.example.org",
				From:   test.sender,
			}

			got := results(t, world{texts, test.spf}, e, test.message)
			for method, want := range test.want {
				if got[method] != want {
					t.Errorf("%s is %q, want %q", method, got[method], want)
				}
			}
		})
	}
}

// What claims to be of this host came with the message; all else stays to the octet.
func TestWithout(t *testing.T) {
	long := strings.Repeat("x", 10000)
	for in, want := range map[string]string{
		"A: b\r\nAuthentication-Results: mail.nomeazienda.it; spf=pass\r\n\tdkim=pass\r\nC: d\r\n\r\nbody\r\n": "A: b\r\nC: d\r\n\r\nbody\r\n",
		"authentication-results :  MAIL.nomeazienda.it.  1; none\r\n\r\n":                                      "\r\n",
		"Authentication-Results: other.example; spf=pass\r\n\r\n":                                              "Authentication-Results: other.example; spf=pass\r\n\r\n",
		"Authentication-Results: ;\r\nB: c\r\n\r\n":                                                            "B: c\r\n\r\n",
		"A: b\r\n\r\nAuthentication-Results: mail.nomeazienda.it; spf=pass\r\n":                                "A: b\r\n\r\nAuthentication-Results: mail.nomeazienda.it; spf=pass\r\n",
		"Authentication-Results: mail.nomeazienda.it; " + long + "\r\nB: " + long +
			"\r\n\r\nx": "B: " + long + "\r\n\r\nx",
		"A: b\r\nAuthentication-Results: (c) mail.nomeazienda.it; dkim=pass\r\n\r\n":        "A: b\r\n\r\n",
		"Authentication-Results: mail.nomeazienda.it(c); dkim=pass\r\n\r\n":                 "\r\n",
		"Authentication-Results: (a (b) \\) c)\r\n mail.nomeazienda.it; dkim=pass\r\n\r\n":  "\r\n",
		"Authentication-Results:\r\n\tmail.nomeazienda.it;\r\n\tdkim=pass\r\n\r\n":          "\r\n",
		"Authentication-Results: \"mail.nomeazienda.it\"; dkim=pass\r\n\r\n":                "\r\n",
		"Authentication-Results:\u00a0mail.nomeazienda.it; dkim=pass\r\n\r\n":               "\r\n",
		"Authentication-Results:\xa0mail.nomeazienda.it; dkim=pass\r\n\r\n":                 "\r\n",
		"Authentication-Results: dkim=pass\r\n\r\n":                                         "\r\n",
		"AUTHENTICATION-RESULTS\t: mail.nomeazienda.it/1; dkim=pass\r\n\r\n":                "\r\n",
		"Return-Path: <x@y.example>\r\nA: b\r\n\r\n":                                        "A: b\r\n\r\n",
		"Authentication-Results: other.example (for mail.nomeazienda.it); spf=pass\r\n\r\n": "Authentication-Results: other.example (for mail.nomeazienda.it); spf=pass\r\n\r\n",
		"X-Authentication-Results: mail.nomeazienda.it; spf=pass\r\n\r\n":                   "X-Authentication-Results: mail.nomeazienda.it; spf=pass\r\n\r\n",
		" ; dkim=pass\r\nA: b\r\n\r\n":                                                      "\r\n ; dkim=pass\r\nA: b\r\n\r\n",
		"\tAuthentication-Results: mail.nomeazienda.it; dkim=pass\r\n\r\n":                  "\r\n\tAuthentication-Results: mail.nomeazienda.it; dkim=pass\r\n\r\n",
		"\ufeffAuthentication-Results: mail.nomeazienda.it; dkim=pass\r\n\r\n":              "\r\n",
		"Authentication-Results\u200b: mail.nomeazienda.it; dkim=pass\r\n\r\n":              "\r\n",
		"Authentication-Results\r\n : mail.nomeazienda.it; dkim=pass\r\n\r\n":               "\r\n",
		"garbage\r\nAuthentication-Results: mail.nomeazienda.it; dkim=pass\r\n\r\n":         "garbage\r\n\r\n",
		"A: b\r\n \r\nAuthentication-Results: mail.nomeazienda.it; dkim=pass\r\n\r\n":       "A: b\r\n \r\n\r\n",
		"Authentication-Results: mail . nomeazienda(c).it; dkim=pass\r\n\r\n":               "\r\n",
		"Authentication-Results: m\\ail.nomeazienda.it; dkim=pass\r\n\r\n":                  "\r\n",
		"Authentication-Results: =?utf-8?q?mail=2enomeazienda.it?=; dkim=pass\r\n\r\n":      "\r\n",
		"Authentication-Results: (mail.nomeazienda.it; dkim=pass\r\n\r\n":                   "\r\n",
		"Authentication-Results: \uff4dail\u3002nomeazienda.it; dkim=pass\r\n\r\n":          "\r\n",
		"Authentication-Results: ma\u00adil.nomeazienda.it; dkim=pass\r\n\r\n":              "\r\n",
		"Authentication-Results: posta.caff\u00e8.it; dkim=pass\r\n\r\n":                    "Authentication-Results: posta.caff\u00e8.it; dkim=pass\r\n\r\n",
		"no header at all": "no header at all", "": "",
	} {
		got, err := io.ReadAll(StripOwnResults("mail.nomeazienda.it", strings.NewReader(in)))
		if err != nil || string(got) != want {
			t.Errorf("of %.80q is left %.80q, %v", in, got, err)
		}
	}
}

// A host whose name is not ASCII is known in each spelling of it (RFC 8616 section 5).
func TestWithoutNamesOfOtherScripts(t *testing.T) {
	for value, claimed := range map[string]bool{
		"posta.xn--caff-8oa.it; dkim=pass":                 true,
		"posta.caff\u00e8.it; dkim=pass":                   true,
		"posta.caffe\u0300.it; dkim=pass":                  true, // decomposed
		"POSTA.CAFF\u00c8.IT. 1; dkim=pass":                true,
		"(c) \"posta.caff\u00e8.it\" (c); dkim=pass":       true,
		"posta.caff\u00e8.it/17; dkim=pass":                true,
		"\u2003posta.caff\u00e8.it\u2003; dkim=pass":       true,
		"posta.caff\u00e9.it; dkim=pass":                   false, // another letter
		"\u043f\u043e\u0447\u0442\u0430.example; spf=pass": false,
		"\u043f\u043e\u0447\u0442\u0430; spf=pass":         false,
	} {
		field := "Authentication-Results: " + value + "\r\n"
		got, err := io.ReadAll(StripOwnResults("posta.xn--caff-8oa.it",
			strings.NewReader(field+"\r\n")))
		if err != nil || (string(got) == "\r\n") != claimed {
			t.Errorf("of %q is left %q, %v", field, got, err)
		}
	}
}

func FuzzResults(f *testing.F) {
	f.Add("From: a@b.c\r\nDKIM-Signature: v=1; d=x; s=y; b=; bh=\r\n\r\nx", "a@b.c", "helo")
	f.Fuzz(func(t *testing.T, message, sender, helo string) {
		c := world{nil, "none"}.checker()
		header, err := c.Results(t.Context(),
			Envelope{netip.MustParseAddr("192.0.2.1"), helo, sender},
			strings.NewReader(message))

		if err != nil {
			return
		}

		for l := range strings.SplitSeq(strings.TrimSuffix(header, "\r\n"), "\r\n\t") {
			if strings.ContainsAny(l, "\r\n") {
				t.Errorf("a line end in %q", l)
			}
		}

		if _, err := io.ReadAll(StripOwnResults(c.Host,
			strings.NewReader(message))); err != nil {
			t.Error(err)
		}
	})
}
