package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

func (k *checker) verify() {
	k.probe(k.c.Verify.Probe)
	k.mailbox(k.c.Verify.Mailbox)
	k.mailboxes()

	for i, list := range k.c.Verify.DNSBL {
		k.name(fmt.Sprintf("verify.dnsbl[%d]", i), list)
	}

	k.endpoints("verify.resolvers", k.c.Verify.Resolvers)
	for i, h := range k.c.Verify.Egress {
		if host, _, err := net.SplitHostPort(h); err == nil {
			h = host
		}
		if _, err := netip.ParseAddr(h); err != nil {
			k.name(fmt.Sprintf("verify.egress[%d]", i), h)
		}
	}
}

func (k *checker) probe(p Probe) {
	const at = "verify.probe"
	if p == (Probe{}) {
		return
	}

	if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Host == "" ||
		strings.Trim(u.Path, "/") != "" {
		k.add(at+".url", "%q is no probe, want a URL like https://probe.example.net:8443",
			p.URL)
	}

	switch {
	case p.Token == "":
		k.add(at+".token", "is missing, want a reference to the secret that the probe knows the site by: env:NAME, file:PATH or exec:COMMAND")
	case !IsReference(p.Token):
		k.add(at+".token", "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}

	if hex := strings.ReplaceAll(p.Fingerprint, ":", ""); hex != "" &&
		(len(hex) != 64 || strings.Trim(strings.ToLower(hex), "0123456789abcdef") != "") {
		k.add(at+".fingerprint", "%q is not a fingerprint, want the 64 hexadecimal digits that mailpub probe serve prints",
			p.Fingerprint)
	}
}
