package config

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

func (k *checker) domains() {
	if len(k.c.Domains) == 0 {
		k.add("domains", "is empty, want at least one mail domain")
	}

	seen := map[string]bool{}
	for i, d := range k.c.Domains {
		at := fmt.Sprintf("domains[%d]", i)
		name := k.name(at+".name", d.Name)
		if name == "" {
			continue
		}

		if seen[name] {
			k.add(at+".name", "%q is there twice", d.Name)
		}

		seen[name] = true
		k.inZone(at+".name", name)
		for j, m := range d.MX {
			mx := fmt.Sprintf("%s.mx[%d]", at, j)
			if k.c.isSet(mx) {
				k.name(mx+".host", strings.ReplaceAll(m.Host, "_", "x")) // others may call their hosts so
			}
			if m.Preference < 0 || m.Preference > 65535 {
				k.add(mx+".preference", "is %d, want 0 to 65535", m.Preference)
			}
		}

		for j, inc := range d.SPF.Include {
			k.name(fmt.Sprintf("%s.spf.include[%d]", at, j), strings.ReplaceAll(inc, "_", "x"))
		}

		k.word("domains.spf.all", at+".spf.all", d.SPF.All, "")
		k.policies(at, d)
		k.dkim(at, d)
		k.mtasts(at, d)

		if d.Autoconfig != "" {
			k.name(at+".autoconfig", d.Autoconfig)
		}
	}

	for i, n := range k.c.NoMail {
		at := fmt.Sprintf("nomail[%d]", i)
		name := k.name(at, n)
		if name == "" {
			continue
		}

		k.inZone(at, name)
		if seen[name] || mail.FQDN(name) == mail.FQDN(k.c.Server.Hostname) {
			k.add(at, "%q does mail: it is a domain or the mail host", n)
		}

		seen[name] = true
	}
}

// policies checks what a domain says beside MX and SPF.
func (k *checker) policies(at string, d Domain) {
	k.word("domains.dmarc.policy", at+".dmarc.policy", d.DMARC.Policy, "")
	if d.DMARC.Policy == "" && len(d.DMARC.RUA) > 0 {
		k.add(at+".dmarc.policy", "is missing, want none, quarantine or reject")
	}

	for list, targets := range map[string][]string{".dmarc.rua": d.DMARC.RUA,
		".tlsrpt": d.TLSRPT} {
		for i, t := range targets {
			if !reportTarget(t, list == ".tlsrpt") {
				k.add(fmt.Sprintf("%s%s[%d]", at, list, i),
					"%q is nowhere to send reports, want an address like reports@example.org", t)
			}
		}
	}

	seen := map[string]bool{}
	for i, s := range d.Services {
		path := fmt.Sprintf("%s.services[%d]", at, i)
		k.word("domains.services.name", path+".name", s.Name)
		if seen[s.Name] {
			k.add(path+".name", "%q is there twice", s.Name)
		}

		seen[s.Name] = true
		k.port(path+".port", s.Port)
		if k.c.isSet(path+".host") && s.Host != "." {
			k.name(path+".host", s.Host)
		}
	}
}
