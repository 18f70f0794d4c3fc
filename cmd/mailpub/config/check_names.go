package config

import (
	"fmt"
	"net"
	"net/netip"
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
	case strings.Contains(s, "_"):
		k.add(path, "%q is no name in DNS that a host or mail domain can have: it has an underscore (RFC 1123 section 2.1)", s)
	case err != nil || !hostName(ascii):
		k.add(path, "%q is no name in DNS, want one like mail.example.org", s)
	default:
		return ascii
	}

	return ""
}

// endpoints checks hosts with or without a port.
func (k *checker) endpoints(path string, list []string) {
	for i, s := range list {
		at := path
		if k.c.isSet(fmt.Sprintf("%s[%d]", path, i)) {
			at = fmt.Sprintf("%s[%d]", path, i)
		}

		host, port := s, "53"
		if h, p, err := net.SplitHostPort(s); err == nil {
			host, port = h, p
		}

		n, err := strconv.Atoi(port)
		_, isAddr := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || n < 0 || n > 65535 ||
			isAddr != nil && !hostName(strings.ToLower(host)) && host != "localhost" {
			k.add(at, "%q is no host, want an address or a name, with :PORT where it is not the usual one", s)
		}
	}
}
