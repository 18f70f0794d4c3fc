package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// reportTarget reports whether reports can go to t: an address, or a URI that has no
// comma or exclamation mark, which would end it (RFC 7489 section 6.4). Only TLS reports
// go over HTTPS (RFC 8460 section 3).
func reportTarget(t string, https bool) bool {
	if strings.ContainsAny(t, ",!; \"") {
		return false
	}

	if https && strings.HasPrefix(t, "https://") {
		u, err := url.Parse(t)
		return err == nil && u.Host != ""
	}

	local, domain, ok := strings.Cut(strings.TrimPrefix(t, "mailto:"), "@")
	return ok && local != "" && hostName(ASCII(strings.ToLower(domain)))
}

// selector follows RFC 6376 section 3.1: labels with dots between them.
func selector(s string) bool {
	return !slices.ContainsFunc(strings.Split(s, "."), func(l string) bool {
		return !isInnerWord(l, "-_", 63)
	})
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
