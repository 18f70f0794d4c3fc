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

// CheckMailbox returns an error unless s can be the name of a mailbox.
func CheckMailbox(s string) error {
	if !mailbox(s) {
		return fmt.Errorf("%q is no mailbox, want a name of small letters, digits, dots and hyphens, like mario", s)
	}
	return nil
}

// CheckReports returns an error unless s is an address that reports can go to, or none.
func CheckReports(s string) error {
	if s != "none" && !reportTarget(s, false) {
		return fmt.Errorf("%q is not an address for reports, want one like reports@example.org, or none", s)
	}
	return nil
}

// CheckSelector returns an error unless s can name a DKIM key, or is none.
func CheckSelector(s string) error {
	if !selector(s) {
		return fmt.Errorf("%q is no selector, want small letters, digits and hyphens, like m2026a, or none", s)
	}
	return nil
}

// OneOf returns an error unless s is one of some words; it names the nearest of them.
func OneOf(s string, words []string) error {
	for _, w := range words {
		if s == w {
			return nil
		}
	}
	return fmt.Errorf("%q is not known; %s", s, suggest(s, words))
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
