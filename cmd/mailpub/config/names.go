package config

import (
	"encoding/hex"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// word reports whether s is 1 to most small letters, digits and octets of others.
func word(s, others string, most int) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') &&
			strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return len(s) > 0 && len(s) <= most
}

// isInnerWord reports whether s is a word that neither begins nor ends with one of others.
func isInnerWord(s, others string, most int) bool {
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
		if !isInnerWord(l, "-", 63) {
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
		if !isInnerWord(strings.TrimPrefix(l, "_"), "_/-", 63) {
			return false
		}
	}
	return len(s) <= 253
}

// mailbox reports whether s can be the local part of an address, and a directory of its own.
func mailbox(s string) bool { return isInnerWord(s, "._+-", 64) }

// safeURL reports whether s is a URL that a password may be sent to: encrypted, or on this
// machine.
func safeURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" &&
		(u.Hostname() == "localhost" || err == nil && addr.IsLoopback())
}

func isSHA256(s string) bool {
	raw, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	return err == nil && len(raw) == 32
}
