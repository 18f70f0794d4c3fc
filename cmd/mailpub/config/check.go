package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checker collects the mistakes of a config whose fields all have the right type.
type checker struct {
	c   *Config
	bad Errors
}

func (c *Config) check() Errors {
	k := checker{c: c}
	k.site()
	k.server()
	k.zones()
	k.domains()
	k.router()
	k.service()
	k.verify()
	k.watch()
	return k.bad
}

func (k *checker) add(path, format string, args ...any) {
	file, line := k.c.at(path)
	k.bad = append(k.bad, Problem{File: file, Line: line, Field: path, Text: fmt.Sprintf(format, args...)})
}

func (k *checker) site() {
	if !siteName(k.c.Site) {
		k.add("site", "is %q, want a short name of small letters, digits and hyphens; it names the ledger", k.c.Site)
	}
}

// siteName reports whether a site can be called so: files are named after it.
func siteName(s string) bool { return word(s, "-", 31) && s[0] != '-' }

// word checks a field that is one of a few words (see Words), or one of others.
func (k *checker) word(field, path, s string, others ...string) {
	if words := Words(field); !slices.Contains(words, s) && !slices.Contains(others, s) {
		k.add(path, "is %q, %s", s, suggest(s, words))
	}
}

func (k *checker) port(path string, n int) {
	if n < 1 || n > 65535 {
		k.add(path, "is %d, want a port from 1 to 65535", n)
	}
}

// endpoints checks hosts with or without a port.
func (k *checker) endpoints(path string, list []string) {
	for i, s := range list {
		at := path
		if k.c.written(fmt.Sprintf("%s[%d]", path, i)) {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		host, port := s, "53"
		if h, p, err := net.SplitHostPort(s); err == nil {
			host, port = h, p
		}
		n, err := strconv.Atoi(port)
		_, isAddr := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || n < 0 || n > 65535 || isAddr != nil && !hostName(strings.ToLower(host)) && host != "localhost" {
			k.add(at, "%q is no host, want an address or a name, with :PORT where it is not the usual one", s)
		}
	}
}
