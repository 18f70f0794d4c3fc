package dnscheck

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestKeyProblem(t *testing.T) {
	good := rsaText(t, 2048)
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}

	bare := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 511, 1), E: 65537}
	raw, err := x509.MarshalPKIXPublicKey(small)
	if err != nil {
		t.Fatal(err)
	}

	short := base64.StdEncoding.EncodeToString(raw)
	ed := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, c := range []struct{ text, want string }{
		{"v=DKIM1; k=rsa; p=" + good, ""},
		{"p=" + good, ""},
		{"v=DKIM1;p=" + good[:60] + " " + good[60:] + ";", ""},
		{"k=rsa; h=sha1:sha256; s=email; t=s; p=" + good, ""},
		{"v=DKIM1; p=" + bare, ""},
		{"v=DKIM1; k=ed25519; p=" + ed, ""},
		{"v=DKIM1; p=" + good[:len(good)/8*4], "is no RSA key"},
		{"v=DKIM1; p=" + good[:len(good)-1], "is not base64"},
		{"v=DKIM1; p=" + short, "an RSA key of 512 bits"},
		{"v=DKIM1; p=" + ed, "k=ed25519 is missing"},
		{"v=DKIM1; k=ed25519; p=" + good, "want the 32 of an Ed25519 key"},
		{"v=DKIM1; h=sha1; p=" + good, "without sha256"},
		{"v=DKIM1; s=tlsrpt; p=" + good, "is not for mail"},
		{"k=rsa; v=DKIM1; p=" + good, "must be the first tag"},
		{"v=DKIM1; p=" + good + "; p=" + good, "a tag twice"},
		{"v=DKIM1; p=", "revoked"},
		{"v=DKIM1", "p= is missing"},
		{"v=DKIM2; p=" + good, "want DKIM1"},
		{"v=DKIM1; k=dsa; p=" + good, "no receiver knows"},
	} {
		got := keyProblem(c.text)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", shortened(c.text), got, c.want)
		}
	}
}

func TestReadDMARC(t *testing.T) {
	for _, c := range []struct {
		text, policy, subdomains string
		ignored                  int
		problem                  string
	}{
		{"v=DMARC1; p=reject", "reject", "", 0, ""},
		{"v=DMARC1;p=ReJect;adkim=R;aspf=S", "reject", "", 0, ""},
		{"v = DMARC1 ; p = none ;; rua = mailto:a@x.it ;", "none", "", 0, ""},
		{"v=DMARC1; p=reject; sp=none; np=reject; psd=n; t=n", "reject", "none", 0, ""},
		{"v=DMARC1; p=none; pct=abc; ri=0; rf=iodef", "none", "", 1, ""},
		{"v=DMARC1; p=none; fo=0,1", "none", "", 1, ""},
		{"v=DMARC1; p=none; fo=1:d:s", "none", "", 0, ""},
		{"v=DMARC1; p=none; sp=", "none", "", 1, ""},
		{"v=DMARC1; rua=mailto:a@x.it; p=reject", "reject", "", 0, ""},
		{"v=DMARC1; rua=mailto:a@x.it", "", "", 1, ""},
		{"v=DMARC1; p=strict; rua=mailto:a@x.it", "", "", 1, ""},
		{"v=DMARC1; p=strict", "", "", 0, "is no policy"},
		{"v=DMARC1; rua=a@x.it", "", "", 0, "p is missing"},
		{"v=DMARC1; p=none; p=reject", "", "", 0, "a tag twice"},
		{"v=DMARC1; reject", "", "", 0, "no list of tags"},
	} {
		r := readDMARC(c.text)
		fits := r.policy == c.policy && r.subdomains == c.subdomains &&
			len(r.ignored) == c.ignored
		if (r.problem == "") != (c.problem == "") || !strings.Contains(r.problem, c.problem) ||
			c.problem == "" && !fits {
			t.Errorf("%s: %+v", c.text, r)
		}
	}

	for text, want := range map[string]bool{"v=dmarc1; p=none": true,
		"\u201cv=DMARC1; p=none\u201d": true, `v=DMARC1\; p=none`: true, "v=spf1 -all": false,
		"dmarc": false} {
		if got := nearMiss([]string{"other", text}, dmarcVersion); (got != "") != want {
			t.Errorf("%s: a near miss: %q", text, got)
		}
	}

	for uri, want := range map[string]bool{"mailto:a@x.it": true, "MAILTO:a@x.it!10m": true,
		"a@x.it": false, "mailto:": false, "https://x.it/": false} {
		if isMailto(uri) != want {
			t.Errorf("%s takes reports: %v", uri, !want)
		}
	}
}

func TestPermits(t *testing.T) {
	names := func(word string) []string {
		list := certificateAuthorities()
		i := slices.IndexFunc(list, func(a certificateAuthority) bool {
			return a.word == word
		})
		return list[i].names
	}

	for _, c := range []struct {
		word, record string
		want         bool
	}{
		{"Sectigo", `0 issue "comodoca.com"`, true},
		{"Sectigo", `0 issue "Trust-Provider.com; policy=ev"`, true},
		{"DigiCert", `0 issue "rapidssl.com"`, true},
		{"DigiCert", `0 issue "letsencrypt.org"`, false},
		{"Amazon", `0 issue "awstrust.com"`, true},
		{"Let's Encrypt", `0 issue ";"`, false},
		{"Let's Encrypt", `0 iodef "mailto:a@x.it"`, true},
	} {
		if got := permits([]string{c.record}, names(c.word)); got != c.want {
			t.Errorf("%s by %s: %v", c.word, c.record, got)
		}
	}
}
