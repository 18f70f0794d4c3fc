package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/mailpub/mailpub/providers"
)

// ASCII returns a name as it is written in DNS, in lower case and without its final dot. What is
// no name comes back as it is.
func ASCII(name string) string {
	if ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, ".")); err == nil {
		return ascii
	}
	return name
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

// OneOf returns an error unless s is one of some words; it names the nearest of them.
func OneOf(s string, words []string) error {
	for _, w := range words {
		if s == w {
			return nil
		}
	}
	return fmt.Errorf("%q is not known; %s", s, suggest(s, words))
}

// Words returns the values that a field of the config can have, by its path without indices; nil
// where it is not one of a few words.
func Words(path string) (words []string) {
	switch path {
	case "domains.spf.all":
		return []string{"fail", "softfail", "neutral"}
	case "domains.dmarc.policy":
		return []string{"none", "quarantine", "reject"}
	case "domains.dkim.algorithm":
		return []string{"rsa", "ed25519"}
	case "domains.mta_sts.mode":
		return []string{"testing", "enforce", "none"}
	case "domains.services.name":
		return slices.Sorted(maps.Keys(servicePorts()))
	case "zones.provider":
		for _, p := range providers.All() {
			words = append(words, p.Name)
		}
	case "router.protocol":
		return []string{"auto", "upnp", "pcp", "nat-pmp", "nftables", "manual", "none"}
	case "router.ipv6":
		return []string{"pinholes", "open"}
	case "router.forwards.proto":
		return []string{"tcp", "udp"}
	case "watch.repair":
		return []string{"router", "address", "dns", "service"}
	case "service.type":
		for _, t := range ServerTypes() {
			words = append(words, t.Name)
		}
	case "service.delivery.mode":
		return []string{DeliverDirect, DeliverElse, DeliverSmartHost}
	}
	return words
}

// Required returns the fields that a section must have, by its path without indices: "" is the
// whole file.
func Required(path string) []string {
	switch path {
	case "":
		return []string{"site", "server", "domains", "zones"}
	case "server":
		return []string{"hostname", "address"}
	case "domains":
		return []string{"name"}
	case "domains.mx", "service.collectors":
		return []string{"host"}
	case "domains.dkim":
		return []string{"selector"}
	case "domains.dmarc":
		return []string{"policy"}
	case "domains.mta_sts":
		return []string{"mode"}
	case "domains.services":
		return []string{"name"}
	case "zones":
		return []string{"name", "provider"}
	case "router.forwards":
		return []string{"name", "port"}
	case "service.aliases":
		return []string{"address", "to"}
	case "verify.probe":
		return []string{"url", "token"}
	case "verify.mailbox":
		return []string{"user", "password"}
	}
	return nil
}
