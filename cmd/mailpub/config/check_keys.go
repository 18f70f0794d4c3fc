package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (k *checker) dkim(at string, d Domain) {
	seen := map[string]bool{}
	for i, key := range d.DKIM {
		path := fmt.Sprintf("%s.dkim[%d]", at, i)
		switch s := key.Selector; {
		case s == "":
			k.add(path+".selector", "is missing, want a word that names the key, like m2026a")
		case slices.ContainsFunc(strings.Split(s, "."), func(l string) bool {
			return len(l) > 63
		}): // RFC 1035 section 2.3.4
			k.add(path+".selector", "%q is too long, want at most 63 characters between dots", s)
		case !selector(s):
			k.add(path+".selector", "%q is no selector, want small letters, digits and hyphens, like m2026a", s)
		case seen[s]:
			k.add(path+".selector", "%q is there twice", s)
		case len(s+"._domainkey."+strings.TrimSuffix(d.Name, ".")) > 253: // RFC 1035 section 2.3.4
			k.add(path+".selector", "makes a name of over 253 characters with %s, want a shorter one", d.Name)
		}

		seen[key.Selector] = true
		k.word("domains.dkim.algorithm", path+".algorithm", key.Algorithm)
		switch {
		case key.Key != "" && key.File != "":
			k.add(path+".key", "is set together with file, want one of them")
		case key.Key != "":
			k.reference(path+".key", key.Key)
		}
	}
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

	k.word("domains.mta_sts.mode", at+".mode", s.Mode)
	if s.MaxAge < time.Minute || s.MaxAge > 31557600*time.Second || s.MaxAge%time.Second != 0 { // RFC 8461 section 3.2
		k.add(at+".max_age", "is %v, want 1m to 8766h", s.MaxAge)
	}

	if s.Host != "none" && fqdn(s.Host) != fqdn(k.c.Server.Hostname) {
		k.name(at+".host", s.Host)
	}

	for i, m := range s.MX {
		k.name(fmt.Sprintf("%s.mx[%d]", at, i), strings.TrimPrefix(m, "*."))
	}

	here := func(m MX) bool { return fqdn(m.Host) == fqdn(k.c.Server.Hostname) }
	if !slices.ContainsFunc(d.MX, here) {
		k.add(at, "the mail of %s does not come here: none of its mx is %s, so its policy is not this server's to make",
			d.Name, k.c.Server.Hostname)
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

func (k *checker) tls() {
	t := k.c.Service.TLS
	const at = "service.tls"
	if t.Minimum != "" && !slices.Contains(TLSVersions(), t.Minimum) {
		k.add(at+".minimum", "%q is not a version of TLS, want one of %s", t.Minimum,
			strings.Join(TLSVersions(), ", "))
	}

	switch {
	case t == TLS{}:
		return
	case k.c.Service.Type != "receiver":
		k.add(at, "is for the bundled receiver, but service.type is %q", k.c.Service.Type)
	case t.Certificate == "":
		k.add(at+".certificate", `is missing, want a PEM file, or "acme" to have one made`)
	case t.Certificate != ACME && t.Key == "":
		k.add(at+".key", "is missing, want the PEM file with the certificate's private key")
	case t.Certificate != ACME && (t.Email != "" || t.Directory != "" || t.Roots != ""):
		k.add(at, "email, directory and roots are for certificate: acme, but it is %q",
			t.Certificate)
	case t.Certificate != ACME:
		return
	case t.Key != "":
		k.add(at+".key", "is not wanted with certificate: acme, which makes its own")
	}

	if t.Certificate != ACME {
		return
	}

	if u, err := url.Parse(t.Directory); t.Directory != "" &&
		(err != nil || u.Scheme != "https" || u.Host == "") {
		k.add(at+".directory", "%q is no directory of an authority, want a URL like https://acme.example.org/directory",
			t.Directory)
	}

	if k.c.manualZoneOf(k.c.Server.Hostname) {
		k.add(at+".certificate", "is acme, but mailpub cannot write to the zone of %s: its provider is manual",
			k.c.Server.Hostname)
	}
}

// manualZoneOf reports whether the zone that holds a name is entered by a person.
func (c *Config) manualZoneOf(name string) bool {
	holder, _ := c.ZoneOf(name)
	return holder.Manual()
}
