package draft

import (
	"cmp"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/providers"
)

// Choices are what somebody decides. Suggest fills in what was left open.
type Choices struct {
	Site        string
	Hostname    string
	Address     netip.Addr
	Public      string // "auto", "none" or an IPv4 address
	Provider    string // of the zone that holds the first domain
	Settings    map[string]string
	Nameservers []string // where zones are asked instead of at those that NS records name
	Protocol    string   // of the router
	URL         string
	Gateway     string
	Service     string
	Postmaster  string
	Ports       []scout.Port // to be forwarded
	Resolvers   []string
	Egress      []string

	Reports     string // address for DMARC and TLS reports; "none" for no records that ask for them
	DKIM        string // selector of a key to sign with; "none" for no key
	Certificate string // of the bundled receiver: "acme" or "none"

	// Existing says that what is there is to be described, not something new.
	Existing bool
	// Receiver says that the bundled receiver has been set up here before.
	Receiver bool
}

// Suggest fills in every choice that was left open, as far as what was found tells. What it
// can't know stays empty.
func Suggest(f scout.Result, c Choices) Choices {
	first := scout.Domain{}
	if len(f.DNS.Domains) > 0 {
		first = f.DNS.Domains[0]
	}

	if c.Site == "" {
		c.Site = siteName(first.Name)
	}

	if c.Hostname == "" {
		c.Hostname = hostname(f, first)
	}

	if !c.Address.IsValid() {
		c.Address = f.Server.Address
	}

	if c.Service == "" {
		c.Service = service(f.Server, c.Receiver)
	}

	if c.Protocol == "" {
		c.Protocol = protocol(f)
	}

	if c.Public == "" {
		c.Public = publicAddress(f, c)
	}

	if c.Provider == "" {
		c.Provider = provider(first.Zone)
	}

	c.Settings = settings(c.Provider, first.Zone, c.Settings, c.Nameservers)
	if len(c.Ports) == 0 || c.Existing {
		c.Ports = ports(f, c)
	}

	if c.Postmaster == "" && c.Service != "postfix" { // there a mailbox is an account, which must exist
		c.Postmaster = f.Machine.User
	}

	c.suggestPolicies(first)
	return c
}

// suggestPolicies fills in what receivers of the domain's mail ask for, as far as the domain has none of it.
func (c *Choices) suggestPolicies(d scout.Domain) {
	if c.Reports == "" {
		c.Reports = "none"
		if !c.Existing && (hasNoDMARC(d) || hasNoTLSReports(d)) {
			c.Reports = "postmaster@" + d.Name
		}
	}

	if c.DKIM == "" {
		c.DKIM = "none"
		if !c.Existing && c.Service != "receiver" && len(d.Selectors) == 0 { // the receiver sends no mail
			c.DKIM = "m1"
		}
	}

	if c.Certificate == "" {
		c.Certificate = "none"
		if !c.Existing && c.Service == "receiver" && c.Provider != "manual" {
			c.Certificate = "acme"
		}
	}
}

func hasNoDMARC(d scout.Domain) bool {
	return d.DMARC == "" && !isElsewhere(d, "_dmarc."+d.Name)
}

func hasNoTLSReports(d scout.Domain) bool {
	return d.TLSRPT == "" && !isElsewhere(d, "_smtp._tls."+d.Name)
}

// isElsewhere reports whether a name is an alias that others keep.
func isElsewhere(d scout.Domain, name string) bool {
	return slices.ContainsFunc(d.Elsewhere, func(a scout.AliasedName) bool {
		return strings.TrimSuffix(a.Name, ".") == strings.TrimSuffix(name, ".")
	})
}

// siteName makes the name of a site of a domain: "nomeazienda" of nomeazienda.it.
func siteName(domain string) string {
	name, _, _ := strings.Cut(domain, ".")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(name))

	return strings.Trim(name[:min(len(name), 31)], "-")
}

// hostname is that of the mail host: what MX names already, where that is one of the domain's
// own; else this machine's, or mail.DOMAIN.
func hostname(f scout.Result, d scout.Domain) string {
	within := func(name string) bool {
		return name == d.Name || strings.HasSuffix(name, "."+d.Name)
	}

	if unusableHost(f) != "" {
		for _, name := range f.DNS.Reverse.Names {
			if within(name) && !strings.Contains(name, "_") {
				return name
			}
		}
		return "mail." + d.Name
	}

	if f.DNS.Host.Name != "" && f.DNS.Host.Name != d.Name &&
		(within(f.DNS.Host.Name) || len(d.MX) > 0 && d.MX[0].Host == f.DNS.Host.Name &&
			within(d.MX[0].Host)) {
		return f.DNS.Host.Name
	}
	if f.Machine.Name != d.Name && within(f.Machine.Name) {
		return f.Machine.Name
	}
	if d.Name == "" {
		return ""
	}

	return "mail." + d.Name
}

// unusableHost is the name of the mail host that is there, where no host may have that name: with an underscore no
// certificate is made for it, and some senders refuse it (RFC 1123 section 2.1); else "".
func unusableHost(f scout.Result) string {
	if strings.Contains(f.DNS.Host.Name, "_") {
		return f.DNS.Host.Name
	}
	return ""
}

func service(s scout.Server, receiver bool) string {
	var kind string
	switch {
	case s.Kind != "":
		kind = s.Kind
	case receiver, s.Greeting == "" && len(s.Installed) == 0 && s.Here:
		return "receiver"
	case s.Here && len(s.Installed) == 1:
		kind = s.Installed[0]
	default:
		return "manual"
	}

	// Postfix is set up in its files, which must be on this machine.
	if kind == "postfix" && !(s.Here && slices.Contains(s.Installed, kind)) {
		return "manual"
	}

	return kind
}

func protocol(f scout.Result) string {
	switch {
	case f.Router.Silent == "":
		return "auto"
	case f.Direct():
		return "none" // the server has the public address itself
	}
	return "manual"
}

// publicAddress is "auto" where the router tells it at any time, else the address; "" where
// nobody knows.
func publicAddress(f scout.Result, c Choices) string {
	a := f.Public()
	if !a.IsValid() {
		return ""
	}
	if byHand := c.Protocol == "manual" || c.Protocol == "none"; !byHand &&
		f.Router.WAN.Kind == "public" && f.Router.WAN.Address == a {
		return "auto"
	}

	return a.String()
}

// keyVariable holds the TSIG key where nobody names another variable.
const keyVariable = "MAILPUB_TSIG_KEY"

// provider is who serves a zone. Where that is not known, the owner's own name server may: a
// key in the environment says so.
func provider(z scout.Zone) string {
	if z.Host.Provider != "" {
		return z.Host.Provider
	}
	if _, ok := os.LookupEnv(keyVariable); ok && z.Server != "" {
		return "rfc2136"
	}
	return "manual"
}

// settings completes those of a provider: what must be there and has a likely value gets it,
// secrets a reference to a variable of the environment.
func settings(name string, z scout.Zone, given map[string]string, nameservers []string) map[string]string {
	p, ok := providers.Lookup(name)
	if !ok {
		return given
	}

	out := map[string]string{}
	for _, s := range p.Settings {
		v := given[s.Name]
		switch {
		case v != "" || !s.Required:
		case s.Secret && name == "rfc2136":
			v = "env:" + keyVariable
		case s.Secret:
			v = "env:MAILPUB_" + strings.ToUpper(name+"_"+s.Name)
		case name == "rfc2136" && s.Name == "server":
			v = strings.TrimSuffix(z.Server, ":53")
			if len(nameservers) > 0 {
				v = nameservers[0]
			}
		case name == "rfc2136" && s.Name == "key_name":
			v = "mailpub."
		}

		if v != "" {
			out[s.Name] = v
		}
	}

	for k, v := range given { // a mistake is for the config's own check
		out[k] = v
	}

	return out
}

// ports are those to forward: SMTP, and what else is served. Of what exists, those that the
// router forwards already.
func ports(f scout.Result, c Choices) (list []scout.Port) {
	if c.Existing {
		list = slices.Clone(c.Ports)
		for _, s := range f.Router.Forwards {
			p, ok := forwardedPort(s, c.Address)
			if ok && !slices.ContainsFunc(list, func(have scout.Port) bool {
				return have.Number == p.Number
			}) {
				list = append(list, p)
			}
		}

		if len(list) > 0 {
			return list
		}
	}

	for _, p := range scout.Ports(nil) {
		if p.Number == 25 || slices.ContainsFunc(f.Server.Listens, func(l scout.Port) bool {
			return l.Number == p.Number
		}) {
			list = append(list, p)
		}
	}

	return list
}

// Missing names the choices that Suggest could not make, by the flags that give them.
func (c Choices) Missing() (flags []string) {
	for flag, set := range map[string]bool{
		"--hostname": c.Hostname != "", "--address": c.Address.IsValid(),
		"--public": c.Public != "",
	} {
		if !set {
			flags = append(flags, flag)
		}
	}

	if p, ok := providers.Lookup(c.Provider); ok {
		for _, s := range p.Settings {
			if s.Required && c.Settings[s.Name] == "" {
				flags = append(flags, "--set "+s.Name+"=...")
			}
		}
	}

	slices.SortFunc(flags, func(a, b string) int { return cmp.Compare(a, b) })
	return flags
}
