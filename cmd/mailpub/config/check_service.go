package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

func (k *checker) service() {
	s := k.c.Service
	k.serverType(s)
	if s.Listen != "" {
		k.endpoints("service.listen", []string{s.Listen})
	}

	k.tls()
	k.receiver()
	for i, a := range s.Aliases {
		at := fmt.Sprintf("service.aliases[%d]", i)
		local, domain, full := strings.Cut(strings.ToLower(a.Address), "@")
		if !mailbox(local) {
			k.add(at+".address", "%q is no address, want postmaster or postmaster@example.org",
				a.Address)
		} else if full && !k.served(domain) {
			k.add(at+".address", "%q is not one of the domains", domain)
		}

		if err := CheckMailbox(a.To); err != nil {
			k.add(at+".to", "%v", err)
		}
	}

	k.delivery(s.Delivery)
	for i, need := range s.Confirmed {
		k.word("service.confirmed", fmt.Sprintf("service.confirmed[%d]", i), need)
	}

	if len(s.Confirmed) > 0 && (s.Type == "receiver" || s.Type == "postfix") {
		k.add("service.confirmed", "is not used: mailpub sees all of that in a %s itself",
			s.Type)
	}

	for i, n := range s.Networks {
		p, err := netip.ParsePrefix(n)
		if at := fmt.Sprintf("service.networks[%d]", i); err != nil {
			k.add(at, "%q is no network, want one like 192.168.1.0/24, or 192.168.1.50/32 for one host", n)
		} else if p.Bits() == 0 || !p.Addr().IsPrivate() && p.Bits() < 16 {
			k.add(at, "%s would let any host send without a password, want only your own hosts", n)
		}
	}

	for i, d := range s.BackupFor {
		at := fmt.Sprintf("service.backup_for[%d]", i)
		if name := k.name(at, d); name != "" && k.served(name) {
			k.add(at, "%q is one of the domains: its mail is kept here, not passed on", d)
		}
	}

	for i, c := range s.Collectors {
		at := fmt.Sprintf("service.collectors[%d].host", i)
		if _, err := netip.ParseAddr(c.Host); err != nil {
			k.name(at, c.Host)
		}
	}
}

func (k *checker) served(domain string) bool {
	return slices.ContainsFunc(k.c.Domains, func(d Domain) bool {
		return mail.FQDN(d.Name) == mail.FQDN(domain)
	})
}

// serverType checks the type and the settings that it knows.
func (k *checker) serverType(s Service) {
	t, ok := LookupServer(s.Type)
	var known []string
	if !ok {
		k.word("service.type", "service.type", s.Type)
		return
	}

	for _, f := range t.Settings {
		known = append(known, f.Name)
		at := "service.settings." + f.Name
		v := s.Settings[f.Name]

		switch {
		case v == "":
		case f.Secret && !IsReference(v):
			k.add(at, "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
		case f.good != nil && !f.good(v):
			k.add(at, "is %q, want %s", v, f.Want)
		}
	}

	if s.Type == "mdaemon" && s.Settings["url"] != "" { // without, only SMTP is asked
		for _, name := range []string{"user", "password"} {
			if s.Settings[name] == "" {
				k.add("service.settings."+name, "is missing, want it together with url")
			}
		}
	}

	for name := range s.Settings {
		if slices.Contains(known, name) {
			continue
		}

		if at := "service.settings." + name; len(known) == 0 {
			k.add(at, "%s has no settings", s.Type)
		} else {
			k.add(at, "%s has no such setting, %s", s.Type, suggest(name, known))
		}
	}
}

// delivery checks the way out. Mail that leaves through a smart host fails SPF unless the
// domains say so.
func (k *checker) delivery(d Delivery) {
	k.word("service.delivery.mode", "service.delivery.mode", d.Mode)
	for i, s := range d.SPF {
		k.name(fmt.Sprintf("service.delivery.spf[%d]", i), strings.ReplaceAll(s, "_", "x"))
	}

	if d.Mode == DeliverDirect {
		if d.SmartHost != "" {
			k.add("service.delivery.smart_host",
				"is not used: mode is direct, want mode fallback or smart_host, or no smart host")
		}
		return
	}

	host, port, err := net.SplitHostPort(d.SmartHost)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 {
		k.add("service.delivery.smart_host",
			"is %q, want the provider's server with its port, like smtp.example.net:587",
			d.SmartHost)
	} else if _, err := netip.ParseAddr(host); err != nil {
		k.name("service.delivery.smart_host", host)
	}

	for i, dom := range k.c.Domains {
		if len(d.SPF) == 0 && len(dom.SPF.Include) == 0 {
			k.add("service.delivery.spf", "is missing, and domains[%d].spf.include too: want the domain whose SPF record lists the smart host, or its mail fails SPF", i)
			return
		}
	}
}
