// Package orgdomain knows which part of a DNS name an organization registered, by the Public Suffix
// List. It is the one place that does: records, messages and what is proposed for a config have to
// agree about it. It asks nothing of the network.
package orgdomain

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Of returns the organizational domain of a name (RFC 7489 section 3.2), in small letters and without
// the final dot: "nomeazienda.it" of "mail.nomeazienda.it.". A name that is not in a registered domain
// is its own.
func Of(name string) string {
	if domain, ok := Registered(name); ok {
		return domain
	}
	return clean(name)
}

// Registered returns the registered domain that a name lies in. It is false for a public suffix
// itself, "it", and for what is no name.
func Registered(name string) (domain string, ok bool) {
	domain, err := publicsuffix.EffectiveTLDPlusOne(clean(name))
	return domain, err == nil
}

// Public reports whether a name lies in a registered domain under a suffix that ICANN delegates:
// neither in one that a home router makes up nor in a host of a provider's customers.
func Public(name string) bool {
	_, icann := publicsuffix.PublicSuffix(clean(name))
	_, ok := Registered(name)
	return icann && ok
}

// IsSuffix reports whether a zone is the suffix of ICANN's under which a name would be registered.
func IsSuffix(zone, name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(clean(name))
	return icann && suffix == clean(zone)
}

func clean(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
