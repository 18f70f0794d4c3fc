package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

func (k *checker) dkim(at string, d Domain) {
	seen := map[string]bool{}
	for i, key := range d.DKIM {
		path := fmt.Sprintf("%s.dkim[%d]", at, i)
		switch s := key.Selector; {
		case s == "":
			k.add(path+".selector", "is missing, want a word that names the key, like m2026a")
		case !selector(s):
			k.add(path+".selector", "%q is no selector, want small letters, digits and hyphens, like m2026a", s)
		case seen[s]:
			k.add(path+".selector", "%q is there twice", s)
		}
		seen[key.Selector] = true
		k.oneOf(path+".algorithm", key.Algorithm, "rsa", "ed25519")
	}
}

// selector follows RFC 6376 section 3.1: labels with dots between them.
func selector(s string) bool {
	return !slices.ContainsFunc(strings.Split(s, "."), func(l string) bool { return !inner(l, "-_", 63) })
}

// mtasts checks what a domain asks of senders. A domain whose mail goes elsewhere has no
// policy here: it would say who receives mail there.
func (k *checker) mtasts(at string, d Domain) {
	s := d.MTASTS
	at += ".mta_sts"
	if s.Mode == "" {
		if s.MaxAge != 0 || s.Host != "" || s.MX != nil {
			k.add(at+".mode", "is missing, want testing, enforce or none")
		}
		return
	}
	k.oneOf(at+".mode", s.Mode, "testing", "enforce", "none")
	if s.MaxAge < time.Minute || s.MaxAge > 31557600*time.Second || s.MaxAge%time.Second != 0 { // RFC 8461 section 3.2
		k.add(at+".max_age", "is %v, want 1m to 8766h", s.MaxAge)
	}
	if s.Host != "none" && s.Host != k.c.Server.Hostname {
		k.name(at+".host", s.Host)
	}
	for i, m := range s.MX {
		k.name(fmt.Sprintf("%s.mx[%d]", at, i), strings.TrimPrefix(m, "*."))
	}
	here := func(m MX) bool { return plan.FQDN(m.Host) == plan.FQDN(k.c.Server.Hostname) }
	if !slices.ContainsFunc(d.MX, here) {
		k.add(at, "the mail of %s does not come here: none of its mx is %s, so its policy is not this server's to make", d.Name, k.c.Server.Hostname)
	}
}

func (k *checker) dane() {
	d := k.c.Server.DANE
	if d.Certificate == "" && (d.Next != "" || d.Ports != nil) {
		k.add("server.dane.certificate", `is missing, want the certificate's PEM file, or "served" to ask the server`)
	}
	for i, p := range d.Ports {
		k.port(fmt.Sprintf("server.dane.ports[%d]", i), p)
	}
}
