package providers

import (
	"path"
	"strings"
	"testing"
)

func TestHostOf(t *testing.T) {
	for _, c := range []struct{ ns, name, provider string }{
		{"ada.ns.cloudflare.com.", "cloudflare", "cloudflare"},
		{"NS1.deSEC.io", "desec", "desec"},
		{"ns-1024.awsdns-00.org.", "route53", "route53"},
		{"ns-1707.awsdns-21.co.uk.", "route53", "route53"},
		{"hydrogen.ns.hetzner.com.", "hetzner", "hetzner"},
		{"dns.technorail.com.", "Aruba", "manual"},
		{"ns43.domaincontrol.com.", "GoDaddy", "manual"},
		{"ns.nomeazienda.it.", "", ""},
		{"cloudflare.com.example.org.", "", ""},
	} {
		h, ok := HostOf([]string{c.ns})
		if h.Name != c.name || h.Provider != c.provider || ok != (c.name != "") {
			t.Errorf("%s: %+v, %v", c.ns, h, ok)
		}
	}
}

// Every pattern is one, and no two hosts share any.
func TestNameServerPatterns(t *testing.T) {
	seen := map[string]string{}
	all := withoutDriver()
	for _, p := range All() {
		if len(p.NameServers) == 0 && p.Name != "manual" && p.Name != "rfc2136" &&
			p.Name != "powerdns" {
			t.Errorf("%s: nobody would suggest it", p.Name)
		}
		all[p.Name] = p.NameServers
	}

	for name, patterns := range all {
		for _, p := range patterns {
			if _, err := path.Match(p, "x"); err != nil || !strings.HasPrefix(p, "*.") ||
				strings.ToLower(p) != p {
				t.Errorf("%s: %q is no pattern: %v", name, p, err)
			}

			if seen[p] != "" {
				t.Errorf("%q is of %s and of %s", p, seen[p], name)
			}

			seen[p] = name
		}
	}
}
