package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// importCase is a zone as people have it, and what import makes of it.
type importCase struct {
	dnsCase
	says    []string // by import's config
	left    []string // what the config names as left alone
	changes []string // "action name" of the plan's changes in DNS, sorted; {D} is the domain
}

// importCases are five zones of the kinds that small companies and homes have.
func importCases() []*importCase {
	const selector = `"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`
	return []*importCase{
		{dnsCase: dnsCase{name: "Microsoft 365 takes the mail", own: map[string][]string{"{D}": {"@ NS {OWN}",
			"@ MX 0 {D}.mail.protection.outlook.com.", `@ TXT "MS=ms12345678"`, `@ TXT "v=spf1 include:spf.protection.outlook.com ip4:{A} -all"`,
			"autodiscover CNAME autodiscover.outlook.com.", "selector1._domainkey CNAME selector1._domainkey.contoso.onmicrosoft.com.",
			"selector2._domainkey CNAME selector2._domainkey.contoso.onmicrosoft.com.", `_dmarc TXT "v=DMARC1; p=none; rua=mailto:dmarc@{D}"`,
			"_sip._tls SRV 100 1 443 sipdir.online.lync.com.", "_sipfederationtls._tcp SRV 100 1 5061 sipfed.online.lync.com.",
			"lyncdiscover CNAME webdir.online.lync.com.", "enterpriseregistration CNAME enterpriseregistration.windows.net.", "www A 2.2.2.80",
			"mail A {A}"}}},
			says:    []string{"mx: []", "include: [spf.protection.outlook.com]", "policy: none"},
			left:    []string{"selector1._domainkey.{D}: an alias of selector1._domainkey.contoso.onmicrosoft.com", "mail is taken there"},
			changes: []string{"create mail.{D}. TXT v=spf1"}},
		{dnsCase: dnsCase{name: "Google takes the mail", own: map[string][]string{"{D}": {"@ NS {OWN}",
			"@ MX 1 smtp.google.com.", `@ TXT "google-site-verification=abcdef"`, `@ TXT "v=spf1 include:_spf.google.com a:mail.{D} ~all"`,
			"google._domainkey TXT " + selector, `_dmarc TXT "v=DMARC1; p=quarantine; sp=none; pct=50; rua=mailto:a@{D},mailto:b@vendor.example"`,
			"calendar CNAME ghs.googlehosted.com.", "mail A {A}", `mail TXT "v=spf1 a -all"`}}},
			says: []string{"mx: []", "include: [_spf.google.com]", "all: softfail"},
			left: []string{"DMARC of {D}", "selector google"}},
		{dnsCase: dnsCase{name: "a filter in front", own: map[string][]string{"{D}": {"@ NS {OWN}",
			"@ MX 10 mx1.filter.net.", "@ MX 20 mx2.filter.net.", `@ TXT "v=spf1 include:spf.filter.net ip4:{A} -all"`,
			"_dmarc CNAME {D}._dmarc.vendor.example.", "_mta-sts CNAME _mta-sts.filter.net.", "mta-sts CNAME mta-sts.filter.net.",
			`_smtp._tls TXT "v=TLSRPTv1;rua=mailto:tls@{D}"`, "mail A {A}", `mail TXT "v=spf1 a -all"`}}},
			says: []string{"{host: mx1.filter.net, preference: 10}", "{host: mx2.filter.net, preference: 20}", "tlsrpt: [tls@{D}]"},
			left: []string{"_dmarc.{D}: an alias of {D}._dmarc.vendor.example"}},
		{dnsCase: dnsCase{name: "Mailchimp and SendGrid beside the own server", own: map[string][]string{"{D}": {"$TTL 86400", "@ NS {OWN}",
			"@ MX 10 mail", `@ TXT "v=spf1 mx ip4:{A} include:servers.mcsv.net include:sendgrid.net ~all"`, `@ TXT "facebook-domain-verification=x"`,
			"k2._domainkey CNAME dkim2.mcsv.net.", "k3._domainkey CNAME dkim3.mcsv.net.", "s1._domainkey CNAME s1.domainkey.u1.wl.sendgrid.net.",
			"em1 CNAME u1.wl.sendgrid.net.", "default._domainkey TXT " + selector, `_dmarc TXT "v=DMARC1;p=reject;rua=mailto:d@{D}"`,
			`@ CAA 0 issue "letsencrypt.org"`, `@ CAA 0 iodef "mailto:x@{D}"`, "_imaps._tcp SRV 0 1 993 mail", "_submission._tcp SRV 5 0 587 mail", "_pop3._tcp SRV 0 0 0 .", "_imap._tcp SRV 0 0 143 mail", "_imap._tcp SRV 5 0 143 mail2",
			"mail 300 A {A}", `mail 300 TXT "v=spf1 a -all"`, `mail CAA 0 issue "letsencrypt.org"`, "www CNAME shops.example."}}},
			says: []string{"include: [servers.mcsv.net, sendgrid.net]", "all: softfail", "policy: reject", "caa: [letsencrypt.org]", "{name: imaps, host: mail.{D}, port: 993}", "{name: submission, host: mail.{D}, port: 587}"},
			left: []string{"s1._domainkey.{D}: an alias of s1.domainkey.u1.wl.sendgrid.net", "selector default", "SRV of {D} with its own priorities or weights"}},
		{dnsCase: dnsCase{name: "a home server on dynamic DNS", own: map[string][]string{"{D}": {"@ NS {OWN}",
			"@ MX 10 mail", `@ TXT "v=spf1 mx include:sendgrid.net ?all"`, "mail 60 CNAME mario-{N}.dyn.example.", "www A 2.2.2.80"}}},
			says:    []string{"all: neutral", "include: [sendgrid.net]"},
			changes: []string{"manual mail.{D}. TXT v=spf1"}},
	}
}

// vendorLines are what the others' names say, by the registry's zone.
func vendorLines() map[string][]string {
	return map[string][]string{
		"com": {"*.mail.protection.outlook A 2.2.2.70", `spf.protection.outlook TXT "v=spf1 ip4:2.2.2.70 -all"`, "autodiscover.outlook A 2.2.2.70",
			`*._domainkey.contoso.onmicrosoft TXT "v=DKIM1; k=rsa; p=MIGf"`, "smtp.google A 2.2.2.71", `_spf.google TXT "v=spf1 ip4:2.2.2.71 ~all"`,
			"ghs.googlehosted A 2.2.2.71", "*.online.lync A 2.2.2.70"},
		"net": {"mx1.filter A 2.2.2.72", "mx2.filter A 2.2.2.73", `spf.filter TXT "v=spf1 ip4:2.2.2.72 -all"`, `_mta-sts.filter TXT "v=STSv1; id=1"`,
			"mta-sts.filter A 2.2.2.72", `servers.mcsv TXT "v=spf1 ip4:2.2.2.74 -all"`, `*.mcsv TXT "v=DKIM1; k=rsa; p=MIGf"`, `sendgrid TXT "v=spf1 ip4:2.2.2.75 ~all"`,
			`*.wl.sendgrid TXT "v=DKIM1; k=rsa; p=MIGf"`, "enterpriseregistration.windows A 2.2.2.70"},
		"example": {"shops A 2.2.2.80"},
	}
}

// TestLabDNSImport imports five realistic zones: the plan is then empty, or has only what is right to
// change.
func TestLabDNSImport(t *testing.T) {
	t.Parallel()
	cases := importCases()
	var sites []*dnsCase

	for _, c := range cases {
		sites = append(sites, &c.dnsCase)
	}

	w := newDNSWorld(t, sites, func(w *dnsWorld) {
		for zone, lines := range vendorLines() {
			w.delegate(zone, lines...)
		}
		for i := range sites {
			w.delegate("example", fmt.Sprintf("mario-%d.dyn 60 A 2.2.3.%[1]d", i+1))
		}
	})

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w.mailServer(t, c.address, "mail."+c.domain)
			path := filepath.Join(c.dir, "mailpub.yaml")
			w.mailpubIn(t, &c.dnsCase, exitOK, "import", c.domain, "--force", "--hostname",
				"mail."+c.domain, "--address", c.address, "--public", c.address,
				"--protocol", "none", "--port", "25", "--resolver", labResolver, "--service",
				"manual", "--provider", "rfc2136",
				"--set", "server="+firstServer+":53", "--set", "key_name=mailpub.", "--set",
				"key=env:MAILPUB_TSIG_KEY")

			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}

			config := strings.Join(strings.Fields(strings.ReplaceAll(string(text), "\n# ",
				" ")), " ")

			for _, want := range slices.Concat(c.says, c.left) {
				if want = c.words.Replace(want); !strings.Contains(config, want) {
					t.Errorf("the config does not say %q", want)
				}
			}

			c.planned(t, w)
			if t.Failed() {
				t.Logf("%s", text)
			}
		})
	}
}

// planned compares the changes that plan shows in DNS with the expected ones, and that apply leaves
// none that it could write.
func (c *importCase) planned(t *testing.T, w *dnsWorld) {
	t.Helper()
	here := *w.siteInLab
	here.t = t
	here.dir = c.dir
	changes := func(writes bool) (list []string) {
		out, errs, code := here.on("inet", w.bin, "plan", "--json")
		var p struct {
			Changes []struct{ Kind, Name, Action, Reason string }
		}

		if err := json.Unmarshal([]byte(out), &p); err != nil || code != exitOK {
			t.Fatalf("plan --json: exit code %d, %v\n%s%s", code, err, out, errs)
		}

		for _, change := range p.Changes {
			if change.Kind != "dns" || writes && change.Action == "manual" {
				continue
			}
			list = append(list, change.Action+" "+change.Name)
			t.Logf("%s %s: %s", change.Action, change.Name, change.Reason)
		}

		slices.Sort(list)
		return list
	}

	var want []string
	for _, text := range c.changes {
		want = append(want, c.words.Replace(text))
	}

	slices.Sort(want)
	if got := changes(false); !slices.Equal(got, want) {
		t.Errorf("the plan has %q, want %q", got, want)
	}

	w.mailpubIn(t, &c.dnsCase, exitOK, "apply", "--yes", "--adopt")
	if got := changes(true); got != nil {
		t.Errorf("after apply the plan has %q", got)
	}
}
