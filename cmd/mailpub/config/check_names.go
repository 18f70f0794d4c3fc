package config

import (
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// name checks a host or domain name and returns it as it is written in DNS.
func (k *checker) name(path, s string) string {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(s, "."))
	switch {
	case s == "":
		k.add(path, "is missing, want a name like mail.example.org")
	case err != nil || !hostName(ascii):
		k.add(path, "%q is no name in DNS, want one like mail.example.org", s)
	default:
		return ascii
	}
	return ""
}

// word reports whether s is 1 to most small letters, digits and octets of others.
func word(s, others string, most int) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return len(s) > 0 && len(s) <= most
}

// inner reports whether s is a word that neither begins nor ends with one of others.
func inner(s, others string, most int) bool {
	return word(s, others, most) && word(s[:1], "", 1) && word(s[len(s)-1:], "", 1)
}

// hostName follows RFC 1123 section 2.1; a mail name also has at least two labels, and
// its last one is no number.
func hostName(s string) bool {
	labels := strings.Split(s, ".")
	if len(s) > 253 || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if !inner(l, "-", 63) {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil
}

// zoneName is wider than hostName: reverse zones have labels like "0/25" (RFC 2317)
// and numbers.
func zoneName(s string) bool {
	for _, l := range strings.Split(s, ".") {
		if !inner(strings.TrimPrefix(l, "_"), "_/-", 63) {
			return false
		}
	}
	return len(s) <= 253
}
