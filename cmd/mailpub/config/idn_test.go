package config

import (
	"slices"
	"testing"
)

// Names may be written as people read them (RFC 5890); records and look-ups have them as DNS does.
func TestNamesOfOtherScripts(t *testing.T) {
	c, err := Load(write(t, "site.yaml", `site: office
server: {hostname: posta.caffè.it, address: 10.10.10.10, public: {ipv4: 192.0.2.1}}
domains:
  - name: CAFFÈ.it
    spf: {include: [_spf.caffè.it, sendgrid.net]}
    dmarc: {policy: reject, rua: [d@caffè.it]}
    tlsrpt: [t@Caffè.it, "https://r.example/x@y"]
    mx: [{host: mx_1.caffè.it, preference: 10}]
nomail: [www.caffè.it]
zones:
  - {name: caffè.it, provider: manual}
  - {name: 0/25.2.0.192.in-addr.arpa, provider: manual}
  - {name: _tcp.caffè.it, provider: manual}
router: {protocol: none}
service: {type: manual}
`))

	if err != nil {
		t.Fatal(err)
	}

	if c.Server.Hostname != "posta.xn--caff-8oa.it" {
		t.Errorf("the host greets as %s", c.Server.Hostname)
	}

	s := c.PlanSite()
	d := s.Domains[0]
	for got, want := range map[string]string{
		s.Host:           "posta.xn--caff-8oa.it.",
		d.Name:           "xn--caff-8oa.it.",
		d.MX[0].Host:     "mx_1.xn--caff-8oa.it.",
		d.SPF.Include[0]: "_spf.xn--caff-8oa.it",
		d.DMARC.RUA[0]:   "d@xn--caff-8oa.it",
		d.TLSRPT[0]:      "t@xn--caff-8oa.it",
		d.TLSRPT[1]:      "https://r.example/x@y",
		s.NoMail[0]:      "www.xn--caff-8oa.it.",
		s.Zones[0].Name:  "xn--caff-8oa.it.",
		s.Zones[1].Name:  "0/25.2.0.192.in-addr.arpa.",
		s.Zones[2].Name:  "_tcp.xn--caff-8oa.it.",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	desired, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	for zone, items := range desired.Zones {
		for _, it := range items {
			for _, text := range append(slices.Clone(it.Lines), it.Key.Name, zone) {
				if slices.ContainsFunc([]rune(text), func(r rune) bool {
					return r > '~'
				}) {
					t.Errorf("%s: %s", it.Key.Name, text)
				}
			}
		}
	}
}
