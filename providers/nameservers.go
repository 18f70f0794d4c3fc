package providers

import (
	"path"
	"strings"
)

// Host is who runs a zone's name servers.
type Host struct {
	Name     string // "Cloudflare"-like, for people
	Provider string // the name to give as a zone's provider; "manual" where no driver speaks to it
}

// withoutDriver are hosts of zones that mailpub has no driver for: a person enters the records.
func withoutDriver() map[string][]string {
	return map[string][]string{
		"Aruba":       {"*.technorail.com", "*.arubadns.net", "*.arubadns.cz"},
		"Azure DNS":   {"*.azure-dns.com", "*.azure-dns.net", "*.azure-dns.org", "*.azure-dns.info"},
		"DNSimple":    {"*.dnsimple.com", "*.dnsimple-edge.net", "*.dnsimple-edge.org"},
		"Gandi":       {"*.gandi.net"},
		"GoDaddy":     {"*.domaincontrol.com"},
		"Linode":      {"*.linode.com"},
		"Namecheap":   {"*.registrar-servers.com"},
		"NS1":         {"*.nsone.net"},
		"Squarespace": {"*.googledomains.com", "*.squarespacedns.com"},
		"Strato":      {"*.rzone.de", "*.stratoserver.net"},
		"Vultr":       {"*.vultr.com"},
	}
}

// HostOf tells from the names of a zone's name servers who runs them. ok is false where that is
// not known: they may be the owner's own.
func HostOf(nameservers []string) (h Host, ok bool) {
	for _, ns := range nameservers {
		for _, p := range All() {
			if matches(ns, p.NameServers) {
				return Host{p.Name, p.Name}, true
			}
		}

		for name, patterns := range withoutDriver() {
			if matches(ns, patterns) {
				return Host{name, "manual"}, true
			}
		}
	}

	return Host{}, false
}

func matches(ns string, patterns []string) bool {
	ns = strings.ToLower(strings.TrimSuffix(ns, "."))
	for _, p := range patterns {
		if ok, err := path.Match(p, ns); ok && err == nil {
			return true
		}
	}
	return false
}
