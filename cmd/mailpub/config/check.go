package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers"
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
	if s := k.c.Site; !word(s, "-", 31) || s[0] == '-' {
		k.add("site", "is %q, want a short name of small letters, digits and hyphens; it names the ledger", k.c.Site)
	}
}

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

func (k *checker) server() {
	s := &k.c.Server
	if name := k.name("server.hostname", s.Hostname); name != "" {
		k.inZone("server.hostname", name)
	}
	if a, err := netip.ParseAddr(s.Address); err != nil || a.IsUnspecified() || a.IsMulticast() {
		k.add("server.address", "%q is no address of a host, want the server's on the LAN, like 10.10.10.10", s.Address)
	}
	k.public("server.public.ipv4", s.Public.IPv4, netip.Addr.Is4)
	k.public("server.public.ipv6", s.Public.IPv6, netip.Addr.Is6)
	for i, e := range s.Public.Echo {
		if _, err := providers.ParseEcho(e); err != nil {
			k.add(fmt.Sprintf("server.public.echo[%d]", i), "%v", err)
		}
	}
	for i, ca := range s.CAA {
		k.name(fmt.Sprintf("server.caa[%d]", i), ca)
	}
	k.dane()
	if s.Public.IPv4 == "none" && s.Public.IPv6 == "none" {
		k.add("server.public", "has no address at all, want ipv4: auto or the address")
	}
	if s.Public.IPv4 == "auto" && k.c.Router.RouterKind() != plan.RouterProtocol && len(s.Public.Echo) == 0 {
		k.add("server.public.ipv4", "is auto, but router.protocol is %q and can't be asked: want the address, or services to ask under server.public.echo", k.c.Router.Protocol)
	}
}

// cgnat is the shared address space of carrier-grade NAT (RFC 6598).
var cgnat = netip.MustParsePrefix("100.64.0.0/10")

func (k *checker) public(path, s string, family func(netip.Addr) bool) {
	if s == "auto" || s == "none" {
		return
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !family(a):
		k.add(path, "is %q, want auto, none or an address", s)
	case a.IsPrivate() || a.IsLoopback() || !a.IsGlobalUnicast() || cgnat.Contains(a):
		k.add(path, "%s can't be reached from the Internet, want the public address", s)
	}
}

// ZoneOf returns the zone that holds a name, the longest one.
func (c *Config) ZoneOf(name string) (Zone, bool) {
	if c.zoneAt == nil {
		c.zoneAt = make(map[string]int, len(c.Zones))
		for i, z := range c.Zones {
			c.zoneAt[plan.FQDN(z.Name)] = i
		}
	}
	for n := range plan.Enclosing(name) {
		if i, ok := c.zoneAt[n]; ok {
			return c.Zones[i], true
		}
	}
	return Zone{}, false
}

func (k *checker) inZone(path, name string) {
	if _, held := k.c.ZoneOf(name); held {
		return
	}
	k.add(path, "no zone holds %q, want one under zones (with provider: manual where mailpub can't write it)", name)
}

func (k *checker) domains() {
	if len(k.c.Domains) == 0 {
		k.add("domains", "is empty, want at least one mail domain")
	}
	seen := map[string]bool{}
	for i, d := range k.c.Domains {
		at := fmt.Sprintf("domains[%d]", i)
		name := k.name(at+".name", d.Name)
		if name == "" {
			continue
		}
		if seen[name] {
			k.add(at+".name", "%q is there twice", d.Name)
		}
		seen[name] = true
		k.inZone(at+".name", name)
		for j, m := range d.MX {
			mx := fmt.Sprintf("%s.mx[%d]", at, j)
			if k.c.written(mx) {
				k.name(mx+".host", m.Host)
			}
			if m.Preference < 0 || m.Preference > 65535 {
				k.add(mx+".preference", "is %d, want 0 to 65535", m.Preference)
			}
		}
		for j, inc := range d.SPF.Include {
			k.name(fmt.Sprintf("%s.spf.include[%d]", at, j), strings.ReplaceAll(inc, "_", "x"))
		}
		k.word("domains.spf.all", at+".spf.all", d.SPF.All, "")
		k.policies(at, d)
		k.dkim(at, d)
		k.mtasts(at, d)
		if d.Autoconfig != "" {
			k.name(at+".autoconfig", d.Autoconfig)
		}
	}
	for i, n := range k.c.NoMail {
		at := fmt.Sprintf("nomail[%d]", i)
		name := k.name(at, n)
		if name == "" {
			continue
		}
		k.inZone(at, name)
		if seen[name] || plan.FQDN(name) == plan.FQDN(k.c.Server.Hostname) {
			k.add(at, "%q does mail: it is a domain or the mail host", n)
		}
		seen[name] = true
	}
}

// policies checks what a domain says beside MX and SPF.
func (k *checker) policies(at string, d Domain) {
	k.word("domains.dmarc.policy", at+".dmarc.policy", d.DMARC.Policy, "")
	if d.DMARC.Policy == "" && len(d.DMARC.RUA) > 0 {
		k.add(at+".dmarc.policy", "is missing, want none, quarantine or reject")
	}
	for list, targets := range map[string][]string{".dmarc.rua": d.DMARC.RUA, ".tlsrpt": d.TLSRPT} {
		for i, t := range targets {
			if !reportTarget(t, list == ".tlsrpt") {
				k.add(fmt.Sprintf("%s%s[%d]", at, list, i), "%q is nowhere to send reports, want an address like reports@example.org", t)
			}
		}
	}
	seen := map[string]bool{}
	for i, s := range d.Services {
		path := fmt.Sprintf("%s.services[%d]", at, i)
		k.word("domains.services.name", path+".name", s.Name)
		if seen[s.Name] {
			k.add(path+".name", "%q is there twice", s.Name)
		}
		seen[s.Name] = true
		k.port(path+".port", s.Port)
		if k.c.written(path+".host") && s.Host != "." {
			k.name(path+".host", s.Host)
		}
	}
}

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
	return ok && local != "" && hostName(strings.ToLower(domain))
}

// word checks a field that is one of a few words (see Words), or one of others.
func (k *checker) word(field, path, s string, others ...string) {
	if words := Words(field); !slices.Contains(words, s) && !slices.Contains(others, s) {
		k.add(path, "is %q, %s", s, suggest(s, words))
	}
}

func (k *checker) zones() {
	seen := map[string]bool{}
	for i := range k.c.Zones {
		z := &k.c.Zones[i]
		at := fmt.Sprintf("zones[%d]", i)
		if z.Name = strings.ToLower(strings.TrimSuffix(z.Name, ".")); !zoneName(z.Name) {
			k.add(at+".name", "%q is no name of a zone, want one like example.org or 2.0.192.in-addr.arpa", z.Name)
		}
		if seen[z.Name] {
			k.add(at+".name", "%q is there twice", z.Name)
		}
		seen[z.Name] = true
		if z.TTL < time.Second || z.TTL > 7*24*time.Hour || z.TTL%time.Second != 0 {
			k.add(at+".ttl", "is %v, want whole seconds from 1s to 168h", z.TTL)
		}
		k.endpoints(at+".nameservers", z.Nameservers)
		k.settings(at, *z)
	}
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

func (k *checker) settings(at string, z Zone) {
	p, ok := providers.Lookup(z.Provider)
	if !ok {
		k.word("zones.provider", at+".provider", z.Provider)
		return
	}
	if why := p.Limits.RefuseTTL(z.TTL); why != "" && !p.Limits.NoTTL {
		k.add(at+".ttl", "is %v, and %s %s", z.TTL, z.Provider, why)
	}
	for _, e := range providers.CheckSettings(z.Provider, z.Settings) {
		path := at + ".settings." + e.Setting
		if e.Want != "" {
			k.add(path, "%s, want %s", e.Problem, e.Want)
		} else {
			k.add(path, "%s", e.Problem)
		}
	}
	for _, s := range p.Settings {
		if v := z.Settings[s.Name]; s.Secret && v != "" && !IsReference(v) {
			k.add(at+".settings."+s.Name, "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
		}
	}
}

func (k *checker) router() {
	r := k.c.Router
	k.word("router.protocol", "router.protocol", r.Protocol)
	if r.Lease < 2*time.Minute || r.Lease > 365*24*time.Hour {
		k.add("router.lease", "is %v, want 2m to 8760h", r.Lease)
	}
	if r.URL != "" {
		if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" || u.Host == "" {
			k.add("router.url", "%q is no description of a UPnP router, want a URL like http://192.168.1.1:5000/rootDesc.xml", r.URL)
		}
	}
	if a, err := netip.ParseAddr(r.Gateway); r.Gateway != "" && (err != nil || !a.Is4()) {
		k.add("router.gateway", "%q is no IPv4 address, want the router's on the LAN, like 192.168.1.1", r.Gateway)
	}
	if p := k.c.Server.Public; r.BehindNAT && p.IPv4 == "auto" && len(p.Echo) == 0 {
		k.add("router.behind_nat", "is true, but server.public.ipv4 is auto, which would be the router's: want the address that the outside sees, or services to ask for it under server.public.echo")
	}
	k.word("router.ipv6", "router.ipv6", r.IPv6)
	if a, err := netip.ParseAddr(r.Gateway6); r.Gateway6 != "" && (err != nil || !a.Is6() || a.IsLinkLocalUnicast() && a.Zone() == "") {
		k.add("router.gateway6", "%q is no IPv6 address of a router, want one like fe80::1%%eth0, with the network card where it begins with fe80", r.Gateway6)
	}
	taken := map[string]int{}
	for i, f := range r.Forwards {
		at := fmt.Sprintf("router.forwards[%d]", i)
		if f.Name == "" {
			k.add(at+".name", "is missing, want a word for it, like smtp")
		}
		k.word("router.forwards.proto", at+".proto", f.Proto)
		k.port(at+".port", f.Port)
		k.port(at+".internal", f.Internal)
		key := fmt.Sprintf("%s port %d", f.Proto, f.Port)
		if first, twice := taken[key]; twice {
			k.add(at+".port", "%s is forwarded already, by %q on line %d", key, r.Forwards[first].Name,
				k.c.Lines.At(fmt.Sprintf("router.forwards[%d]", first)))
			continue
		}
		taken[key] = i
	}
}

func (k *checker) port(path string, n int) {
	if n < 1 || n > 65535 {
		k.add(path, "is %d, want a port from 1 to 65535", n)
	}
}

func (k *checker) verify() {
	k.probe(k.c.Verify.Probe)
	k.mailbox(k.c.Verify.Mailbox)
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
	if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		k.add(at+".url", "%q is no probe, want a URL like https://probe.example.net:8443", p.URL)
	}
	switch {
	case p.Token == "":
		k.add(at+".token", "is missing, want a reference to the secret that the probe knows the site by: env:NAME, file:PATH or exec:COMMAND")
	case !IsReference(p.Token):
		k.add(at+".token", "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}
	if hex := strings.ReplaceAll(p.Fingerprint, ":", ""); hex != "" && (len(hex) != 64 || strings.Trim(strings.ToLower(hex), "0123456789abcdef") != "") {
		k.add(at+".fingerprint", "%q is none, want the 64 hexadecimal digits that mailpub probe serve prints", p.Fingerprint)
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
