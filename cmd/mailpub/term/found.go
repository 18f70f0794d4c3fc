package term

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/scout"
)

// ShowFound prints what was found, a few lines for each party.
func ShowFound(u *UI, f scout.Result) {
	w := u.Out
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "  %s  %s\n", u.Bold(Pad(what, 8)),
			u.Wrap(Clean(fmt.Sprintf(format, args...)), 12))
	}

	m := f.Machine
	name := m.Name
	if name == "" {
		name = "it has no name in DNS"
	}

	line("machine", "%s; its address is %s", name,
		knownText(m.Address.IsValid(), m.Address.String()))

	showFoundRouter(line, f.Router)
	for _, d := range f.DNS.Domains {
		line("DNS", "%s", describeZone(d.Name, d.Zone))
		if d.Zone.Name != "" {
			line("", "%s", describeDomain(d))
		}
	}

	if h := f.DNS.Host; h.Name != "" {
		var addrs []string
		for _, a := range h.Addresses {
			addrs = append(addrs, a.String())
		}

		switch {
		case h.Alias != "":
			line("", "its mail host %s is an alias of %s: a mail host must not be an alias",
				h.Name, h.Alias)
		case len(addrs) == 0:
			line("", "its mail host %s has no address", h.Name)
		default:
			line("", "its mail host %s is at %s", h.Name, strings.Join(addrs, ", "))
		}
	}

	if p := f.Public(); p.IsValid() {
		if names := f.DNS.Reverse.Names; len(names) > 0 {
			line("", "the name of %s is %s", p, strings.Join(names, ", "))
		} else {
			line("", "%s has no name (PTR)", p)
		}
	}

	showFoundServer(line, f.Server)
	for _, e := range f.Egress {
		if e.Silent != "" {
			line("port 25", "is not open outwards to %s: %s", e.Server, e.Silent)
		} else {
			line("port 25", "is open outwards: %s says %s", e.Server, e.Says)
		}
	}
}

func knownText(is bool, text string) string {
	if !is {
		return "not known"
	}
	return text
}

func showFoundRouter(line func(string, string, ...any), r scout.Router) {
	if r.Silent != "" {
		line("router", "none found: %s", r.Silent)
		return
	}

	var spoken []string
	for _, s := range r.Spoken {
		if s.Silent == "" {
			spoken = append(spoken, s.Protocol)
		}
	}

	line("router", "%s; it speaks %s", strings.TrimPrefix(r.Device, "router "),
		strings.Join(spoken, ", "))

	if r.WAN.Note != "" {
		line("", "%s", strings.TrimPrefix(r.WAN.Note, r.Device+": "))
	} else {
		line("", "its WAN address is %s, %s",
			knownText(r.WAN.Address.IsValid(), r.WAN.Address.String()), r.WAN.Kind)
	}

	var ports []string
	for _, f := range r.Forwards {
		ports = append(ports, f.Name+" to "+f.Is)
	}

	if r.Protocol == "pcp" || r.Protocol == "nat-pmp" {
		line("", "its forwards are unknown: %s has no list request", r.Protocol)
	}

	if len(ports) > 0 {
		line("", "it forwards these mail ports: %s", strings.Join(ports, ", "))
	}
}

func describeZone(name string, z scout.Zone) string {
	switch {
	case z.Name == "":
		return fmt.Sprintf("%s: %s", name, z.Silent)
	case z.Host.Provider == "manual":
		return fmt.Sprintf("%s: zone %s is at %s, which mailpub has no driver for", name,
			z.Name, z.Host.Name)
	case z.Host.Provider != "":
		return fmt.Sprintf("%s: zone %s is at %s, which mailpub can write", name, z.Name,
			z.Host.Name)
	}

	return fmt.Sprintf("%s: zone %s is at %s", name, z.Name, strings.Join(z.Nameservers, ", "))
}

func describeDomain(d scout.Domain) string {
	var has []string
	for _, m := range d.MX {
		has = append(has, fmt.Sprintf("MX %d %s", m.Preference, m.Host))
	}

	if len(has) == 0 {
		has = append(has, "no MX")
	}

	for what, text := range map[string]string{"SPF": d.SPF, "DMARC": d.DMARC,
		"MTA-STS": d.MTASTS, "TLS-RPT": d.TLSRPT, "DKIM": strings.Join(d.Selectors, ",")} {
		if text != "" {
			has = append(has, what)
		}
	}

	slices.Sort(has[max(1, len(d.MX)):])
	return "it has " + strings.Join(has, ", ")
}

func showFoundServer(line func(string, string, ...any), s scout.Server) {
	switch {
	case s.Kind != "":
		line("server", "%s at %s, which greets as %s", s.Kind, s.Address, s.Name)
	case s.Greeting != "":
		line("server", "at %s, which greets %s", s.Address, s.Greeting)
	default:
		line("server", "nothing answers SMTP at %s: %s",
			knownText(s.Address.IsValid(), s.Address.String()), s.Silent)
	}

	var ports []string
	for _, p := range s.Listens {
		ports = append(ports, fmt.Sprintf("%d (%s)", p.Number, p.Name))
	}

	if len(ports) > 0 {
		line("", "it listens at %s", strings.Join(ports, ", "))
	}

	if s.Here && len(s.Installed) > 0 {
		line("", "installed on this machine: %s", strings.Join(s.Installed, ", "))
	}
}
