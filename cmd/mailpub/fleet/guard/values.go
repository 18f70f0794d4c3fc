package guard

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/providers"
)

type checker struct {
	config   *config.Config
	egress   egress.Rules
	fields   map[string]kind
	settings map[string]kind
	bad      config.Errors
}

func (k *checker) add(path, format string, args ...any) {
	file, line := k.config.Position(path)
	k.bad = append(k.bad, config.Problem{
		File:  file,
		Line:  line,
		Field: path,
		Text:  fmt.Sprintf(format, args...),
	})
}

// value checks one value by the kind of its field.
func (k *checker) value(v value) {
	is := k.kindOf(v)
	if is != reference && v.field != "ignore.why" && isOtherReference(v.text) {
		k.add(v.path, "is %q, a reference to the fleet's own machine: want a value, or secret:NAME where a secret belongs", v.text)
		return
	}

	switch is {
	case text, dnsName, section:
	case host:
		k.host(v.path, v.text)
	case address:
		k.address(v.path, v.text)
	case webURL:
		k.url(v.path, v.text)
	case reference:
		k.reference(v.path, v.text)
	case localFile:
		if v.field != "state" || v.text != config.DefaultState {
			k.add(v.path, "is %q, a path on the fleet's own machine: sites of a tenant cannot name files", v.text)
		}
	case program:
		k.add(v.path, "names a program: sites of a tenant cannot run any, want url or webhook")
	case local:
		k.add(v.path, "needs the mail server's own machine or network: sites of a fleet cannot use it")
	case operator:
		k.add(v.path, "is not available to sites of a tenant: %s", reasons()[v.field])
	case special:
		k.special(v)
	default:
		k.add(v.path, "is not available to sites of a tenant")
	}
}

// kindOf finds the kind of a value. Settings are those of their provider or server type.
func (k *checker) kindOf(v value) kind {
	if name, ok := strings.CutPrefix(v.field, "service.settings."); ok {
		return k.serverSetting(name)
	}

	name, ok := strings.CutPrefix(v.field, "zones.settings.")
	if !ok {
		return k.fields[v.field]
	}

	var i int
	if _, err := fmt.Sscanf(v.path, "zones[%d]", &i); err != nil || i >= len(k.config.Zones) {
		return unknown
	}

	p, _ := providers.Lookup(k.config.Zones[i].Provider)
	for _, s := range p.Settings {
		if s.Name == name && s.Secret {
			return reference
		}
	}

	return k.settings[p.Name+"."+name]
}

func (k *checker) serverSetting(name string) kind {
	t, _ := config.LookupServer(k.config.Service.Type)
	for _, s := range t.Settings {
		if s.Name == name && s.Secret {
			return reference
		}
	}
	return k.settings[t.Name+"."+name]
}

// isOtherReference reports whether a text is a reference that reads the machine's files or environment, or
// runs a program.
func isOtherReference(s string) bool {
	return config.IsReference(s) && !strings.HasPrefix(s, "secret:")
}

func (k *checker) reference(path, ref string) {
	name, ok := strings.CutPrefix(ref, "secret:")
	switch {
	case !ok:
		kind, _, _ := strings.Cut(ref, ":")
		k.add(path, "is a reference %s:, which would reach into the fleet's own machine: want secret:NAME (mailpub fleet secret set NAME)", kind)
	case !IsSecretName(name):
		k.add(path, "is %q, want secret:NAME, the name being small letters, digits, dots, underscores and hyphens", ref)
	}
}

// IsSecretName reports whether a secret may be called so.
func IsSecretName(name string) bool {
	return name != "" && len(name) <= 63 && name[0] != '.' && name[0] != '-' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// host checks a host, host:port or [address]:port. A name is checked when it is connected to.
func (k *checker) host(path, s string) {
	bare := s
	if h, _, err := net.SplitHostPort(s); err == nil {
		bare = h
	}
	k.connectable(path, s, strings.Trim(bare, "[]"))
}

func (k *checker) address(path, s string) {
	if _, err := netip.ParseAddr(s); err != nil {
		k.add(path, "is %q, want an IP address", s)
		return
	}
	k.connectable(path, s, s)
}

// connectable refuses a host that the fleet's workers do not connect to for a tenant.
func (k *checker) connectable(path, shown, host string) {
	if a, ok := parseAddress(host); ok {
		if err := k.egress.Allowed(a); err != nil {
			k.add(path, "is %q: %v; want a public address, or ask the operator to allow its range",
				shown, err)
		}
		return
	}

	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		strings.HasSuffix(name, ".localdomain") || !strings.Contains(name, ".") {
		k.add(path, "is %q, a name of the fleet's own machine or network: want a public name or address", shown)
	}
}

// parseAddress reads an address also as old programs write it: C libraries take 127.1, 2130706433 and
// 0x7f.0.0.1 for 127.0.0.1. No name in the public DNS ends in such a label.
func parseAddress(s string) (a netip.Addr, ok bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a, true
	}

	labels := strings.Split(strings.ToLower(strings.TrimSuffix(s, ".")), ".")
	last := labels[len(labels)-1]
	if last != "" && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")) {
		return netip.IPv4Unspecified(), true
	}

	return netip.Addr{}, false
}

func (k *checker) url(path, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		k.add(path, "is not a URL, want one like https://example.org/")
	case u.Scheme != "https":
		k.add(path, "begins with %s:, want https://", u.Scheme)
	case u.User != nil:
		k.add(path, "holds a user or a password, want a URL without them")
	default:
		k.connectable(path, u.Host, u.Hostname())
	}
}

// special are the fields with rules of their own.
func (k *checker) special(v value) {
	switch v.field {
	case "server.public.ipv4", "server.public.ipv6":
		switch v.text {
		case "none":
		case "auto":
			k.add(v.path, "is auto, which asks the router and this machine: want the address, or none")
		default:
			k.address(v.path, v.text)
		}
	case "server.dane.certificate":
		if v.text != "served" {
			k.add(v.path, "is %q, a path on the fleet's own machine: want served", v.text)
		}
	case "domains.dkim.key":
		k.reference(v.path, v.text)
	case "router.protocol":
		if v.text != "none" && v.text != "manual" {
			k.add(v.path, "is %q, which needs the site's own network: want none, or manual where a person sets the router", v.text)
		}
	case "service.type":
		if !slices.Contains(serverTypes(), v.text) {
			k.add(v.path, "is %q, which is set up on the mail server's own machine: want one of %s", v.text,
				strings.Join(serverTypes(), ", "))
		}
	default:
		k.add(v.path, "is not available to sites of a tenant")
	}
}

// dkimKeys refuses a key without a reference: its file would be on the fleet's own machine.
func (k *checker) dkimKeys() {
	for i, d := range k.config.Domains {
		for j, key := range d.DKIM {
			if key.Key == "" {
				k.add(fmt.Sprintf("domains[%d].dkim[%d].key", i, j),
					"is missing, want secret:NAME with the key's PEM text (mailpub fleet secret set NAME)")
			}
		}
	}
}

// providers refuses what a provider's own default would connect to.
func (k *checker) providers() {
	for i, z := range k.config.Zones {
		p, _ := providers.Lookup(z.Provider)
		for _, s := range p.Settings {
			at := fmt.Sprintf("zones[%d].settings.%s", i, s.Name)
			if z.Settings[s.Name] == "" && s.Default != "" &&
				k.settings[p.Name+"."+s.Name] == webURL {
				k.url(at, s.Default)
			}
		}
	}
}
