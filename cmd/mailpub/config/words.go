package config

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
)

// ASCII returns a name as it is written in DNS, in lower case and without its final dot. What is
// no name comes back as it is.
func ASCII(name string) string {
	isMapped := func(r rune) bool { return r > '~' || r >= 'A' && r <= 'Z' }
	if !strings.ContainsFunc(name, isMapped) { // most names, of which a site may have many thousands
		return strings.TrimSuffix(name, ".")
	}

	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for i, label := range labels {
		if ascii, err := idna.Lookup.ToASCII(label); err == nil {
			labels[i] = ascii
		}
	}

	return strings.Join(labels, ".")
}

// CheckName returns an error unless s can be a host or a mail domain.
func CheckName(s string) error {
	if !hostName(ASCII(s)) {
		return fmt.Errorf("%q is no name in DNS, want one like mail.example.org", s)
	}
	return nil
}

// Confirmable are the needs of a mail server that an administrator can answer for.
func Confirmable() []string {
	return []string{
		mail.NeedPasswords, mail.NeedDelivery, mail.NeedRelaying, mail.NeedSenders,
		mail.NeedLineEnds,
		mail.NeedCollector, mail.NeedSigning, mail.NeedHosts,
	}
}

// providerNames are the DNS providers that a zone can name.
func providerNames() (names []string) {
	for _, p := range providers.All() {
		names = append(names, p.Name)
	}
	return names
}

// serverTypeNames are the kinds of mail servers.
func serverTypeNames() (names []string) {
	for _, t := range ServerTypes() {
		names = append(names, t.Name)
	}
	return names
}
