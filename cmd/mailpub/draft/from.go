package draft

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
)

// From makes a draft of what was found and decided. Every choice must be made: see Suggest.
func From(f scout.Result, c Choices) Draft {
	d := Draft{
		Site:       c.Site,
		Hostname:   c.Hostname,
		Address:    c.Address,
		Resolvers:  c.Resolvers,
		Egress:     c.Egress,
		Public4:    Annotated{c.Public, publicNote(f, c)},
		Public6:    Annotated{"none", ""},
		Protocol:   Annotated{c.Protocol, routerNote(f, c)},
		URL:        c.URL,
		Gateway:    c.Gateway,
		Service:    Annotated{c.Service, serviceNote(f.Server, c)},
		Postmaster: c.Postmaster,
		ACME:       c.Certificate == "acme",
		TLSComment: !c.Existing && c.Certificate != "acme" && c.Service == "receiver",
	}

	if f.Router.WAN.Kind != "public" && f.Router.Silent == "" && c.Public != "auto" {
		d.BehindNAT = c.Existing // of something new, a person first has to see to it
		if !c.Existing && c.Protocol != "none" && c.Protocol != "manual" {
			d.Front = fmt.Sprintf("Set this once the outer router forwards the same ports to this one (%s); until then apply stops before MX.",
				f.Router.WAN.Address)
		}
	}

	if six := f.Machine.IPv6; six.IsValid() && f.Server.Here {
		d.Public6.Note = fmt.Sprintf("auto publishes this machine's own, now %s", six)
	}

	for _, found := range f.DNS.Domains {
		d.Domains = append(d.Domains, domain(found, c, unusableHost(f)))
	}

	d.zones(f, c)
	d.forwards(c)
	if c.Existing {
		d.existing(f)
	}

	return d
}

// isHostedMail reports whether a service takes the mail and keeps the mailboxes, so that the server can't
// be where it is delivered. One that filters and hands on is none.
func isHostedMail(mx []scout.MX) bool {
	services := []string{"google.com", "googlemail.com", "mail.protection.outlook.com",
		"mx.microsoft"}
	return slices.ContainsFunc(mx, func(m scout.MX) bool {
		return slices.ContainsFunc(services, func(s string) bool {
			return mail.Within(m.Host, s)
		})
	})
}

func publicNote(f scout.Result, c Choices) string {
	wan := f.Router.WAN
	switch {
	case c.Public == "auto":
		return fmt.Sprintf("asked of the router each time, now %s", wan.Address)
	case wan.Kind == "private" || wan.Kind == "cgnat":
		return fmt.Sprintf("the router itself has %s, so there is another one in front",
			wan.Address)
	}

	return "as seen from the Internet"
}

func routerNote(f scout.Result, c Choices) string {
	switch {
	case c.Protocol == "manual":
		return "forwards are set manually: plan lists them"
	case c.Protocol == "none":
		return "the server has the public address itself"
	case f.Router.Silent == "":
		return fmt.Sprintf("%s answers here", f.Router.Protocol)
	}

	return ""
}

func serviceNote(s scout.Server, c Choices) string {
	switch {
	case c.Service == "receiver":
		return "the bundled one: mailpub receive; or postfix, mdaemon, exim, ..."
	case s.Greeting != "":
		return fmt.Sprintf("port 25 greets %q", short(s.Greeting, 40))
	}
	return ""
}

func short(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// domain describes a mail domain: of something new only its name, of what exists all that mailpub
// writes itself. In the place of the host unusable the config has another name.
func domain(found scout.Domain, c Choices, unusable string) Domain {
	d := Domain{Name: found.Name}
	if !c.Existing {
		d.propose(found, c)
		return d
	}

	d.Hosted = isHostedMail(found.MX)
	if !d.Hosted {
		for _, m := range found.MX {
			if m.Host == unusable {
				m.Host = c.Hostname
			}
			d.MX = append(d.MX, MX(m))
		}
	}

	if len(d.MX) == 1 && d.MX[0] == (MX{Host: c.Hostname, Preference: 10}) {
		d.MX = nil
	}

	d.Include, d.All = spf(found.SPF)
	d.DMARC, d.RUA = dmarc(found.DMARC)
	d.TLSRPT = tlsReports(found.TLSRPT)

	for _, s := range found.Services {
		d.Services = append(d.Services, Service(s))
	}

	d.Autoconfig = found.Autoconfig
	return d
}

// propose adds the policies of a new domain; those that it has already stay as they are.
func (d *Domain) propose(found scout.Domain, c Choices) {
	d.DMARC, d.RUA = dmarc(found.DMARC)
	d.TLSRPT = tlsReports(found.TLSRPT)

	if c.Reports != "none" {
		if hasNoDMARC(found) {
			d.DMARC = "none"
			d.RUA = []string{c.Reports}
			d.DMARCNote = "asks for reports first; later quarantine, then reject"
		}
		if hasNoTLSReports(found) {
			d.TLSRPT = []string{c.Reports}
		}
	}

	if c.DKIM != "none" {
		d.DKIM = c.DKIM
	} else if len(found.Selectors) == 0 {
		d.DKIMComment = "m1"
	}
}

// spf reads who else sends, and what becomes of the rest. Other terms stay in the record whatever
// the config says.
func spf(record string) (include []string, all string) {
	for _, t := range strings.Fields(strings.ToLower(record)) {
		switch {
		case strings.HasPrefix(strings.TrimPrefix(t, "+"), "include:") &&
			!strings.Contains(t, "%"):
			include = append(include, t[strings.Index(t, ":")+1:])
		case t == "-all":
			all = "fail"
		case t == "~all":
			all = "softfail"
		case t == "?all":
			all = "neutral"
		}
	}

	return include, all
}

// dmarc reads a record that says no more than the config can; one that does is left alone.
func dmarc(record string) (policy string, rua []string) {
	tags, ok := mail.Tags(record)
	if !ok {
		return "", nil
	}

	for _, t := range tags {
		switch strings.ToLower(t.Name) {
		case "p":
			policy = strings.ToLower(t.Value)
		case "rua":
			rua, ok = reportTargets(t.Value)
		}
	}

	known := slices.Contains([]string{"none", "quarantine", "reject"}, policy)
	if !ok || !known || !mail.SameText(record, mail.DMARC{Policy: policy, RUA: rua}.Text()) {
		return "", nil
	}

	return policy, rua
}

// tlsReports reads a record that says no more than the config can.
func tlsReports(record string) []string {
	tags, ok := mail.Tags(record)
	if !ok || len(tags) != 2 || tags[1].Name != "rua" {
		return nil
	}

	rua, ok := reportTargets(tags[1].Value)
	if !ok || !mail.SameText(record, mail.TLSReports(rua)) {
		return nil
	}

	return rua
}

// reportTargets reads where reports go; ok is false where one says more than an address or a URI, such as
// a limit of size.
func reportTargets(uris string) (list []string, ok bool) {
	for u := range strings.SplitSeq(uris, ",") {
		u = strings.TrimSpace(u)
		if len(u) > 7 && strings.EqualFold(u[:7], "mailto:") {
			u = u[7:]
		}

		if u == "" || strings.ContainsAny(u, "! ") {
			return nil, false
		}

		list = append(list, u)
	}

	return list, true
}

// zones lists the zones that hold the site's names, each once.
func (d *Draft) zones(f scout.Result, c Choices) {
	first := scout.Zone{}
	add := func(z scout.Zone, fallback string) {
		name := z.Name
		if name == "" {
			name = fallback
		}

		if name == "" || slices.ContainsFunc(d.Zones, func(have Zone) bool {
			return have.Name == name
		}) {
			return
		}

		z.Name = name
		out := Zone{
			Name:        name,
			Nameservers: c.Nameservers,
			Provider:    Annotated{provider(z), zoneNote(z)},
		}

		values := settings(out.Provider.Value, z, nil, c.Nameservers)
		if len(d.Zones) == 0 {
			first = z
		}

		if len(d.Zones) == 0 || len(z.Nameservers) > 0 &&
			slices.Equal(z.Nameservers, first.Nameservers) {
			out.Provider.Value = c.Provider
			values = c.Settings
		}

		out.Settings = sortedSettings(out.Provider.Value, values)
		d.Zones = append(d.Zones, out)
	}

	for _, dom := range f.DNS.Domains {
		add(dom.Zone, dom.Name)
	}

	held := func(name string) bool {
		return slices.ContainsFunc(d.Zones, func(z Zone) bool {
			return mail.Within(name, z.Name)
		})
	}

	if host := f.DNS.Host; host.Name == c.Hostname && host.Zone.Name != "" ||
		!held(c.Hostname) {
		add(host.Zone, scout.DomainOf(c.Hostname))
	}

	// The reverse zone is the site's own where the same name servers hold it.
	if r := f.DNS.Reverse.Zone; r.Name != "" &&
		slices.Equal(r.Nameservers, first.Nameservers) && c.Provider != "manual" {
		add(r, "")
	}
}

func zoneNote(z scout.Zone) string {
	switch {
	case len(z.Nameservers) == 0:
		return "mailpub providers lists them"
	case z.Host.Provider == "manual":
		return fmt.Sprintf("at %s, which mailpub has no driver for", z.Host.Name)
	}
	return "name server " + z.Nameservers[0]
}

// sortedSettings puts settings into the order in which the provider lists them.
func sortedSettings(name string, values map[string]string) (out []Setting) {
	p, _ := providers.Lookup(name)
	for _, s := range p.Settings {
		if v := values[s.Name]; v != "" {
			out = append(out, Setting{s.Name, v})
		}
	}

	for _, k := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(out, func(s Setting) bool { return s.Name == k }) {
			out = append(out, Setting{k, values[k]})
		}
	}

	return out
}

// forwardedPort returns the port that the router forwards to the server.
func forwardedPort(s nat.ForwardStatus, server netip.Addr) (p scout.Port, ok bool) {
	proto, number, _ := strings.Cut(s.Name, "/")
	port, err := strconv.ParseUint(number, 10, 16)
	to, err2 := netip.ParseAddrPort(s.Is)
	if err != nil || err2 != nil || proto != "tcp" || to.Addr() != server {
		return p, false
	}

	p.Number = uint16(port)
	if to.Port() != p.Number {
		p.Internal = to.Port()
	}

	return p, true
}

// forwards lists the ports that were chosen. Ports that are usual and were not stay as comments.
func (d *Draft) forwards(c Choices) {
	for _, p := range scout.Ports(c.Ports) {
		i := slices.IndexFunc(c.Ports, func(chosen scout.Port) bool {
			return chosen.Number == p.Number
		})

		switch {
		case i >= 0:
			d.Forwards = append(d.Forwards, Forward{
				Name:     p.Name,
				Port:     int(p.Number),
				Internal: int(c.Ports[i].Internal),
			})
		case c.Service == "receiver" || c.Service != "mdaemon" &&
			(p.Number == 1000 || p.Number > 995):
		default:
			d.Shown = append(d.Shown, fmt.Sprintf("{name: %s, port: %d}", p.Name, p.Number))
		}
	}
}

// existing takes up what else there is, and says what is left alone.
func (d *Draft) existing(f scout.Result) {
	if f.DNS.Host.Name == d.Hostname {
		d.CAA = f.DNS.Host.CAA
		if len(f.DNS.Host.OtherCAA) > 0 {
			d.Left = append(d.Left, fmt.Sprintf("CAA of %s, %s: it says more than server.caa can.",
				d.Hostname, strings.Join(f.DNS.Host.OtherCAA, ", ")))
		}

		for _, a := range f.DNS.Host.Addresses {
			if a.Is6() {
				d.Public6 = Annotated{a.String(), "as DNS has it"}
				d.OpenIPv6 = true
			}
		}

		if ports := f.DNS.Host.TLSA; len(ports) > 0 {
			d.Left = append(d.Left, fmt.Sprintf("TLSA records of %s for ports %s: server.dane makes and keeps them.",
				d.Hostname, strings.Trim(fmt.Sprint(ports), "[]")))
		}
	}

	if name := unusableHost(f); name != "" && name != d.Hostname {
		d.Left = append(d.Left, fmt.Sprintf("%s: no host may have this name (an underscore, RFC 1123 section 2.1), so %s takes its place.",
			name, d.Hostname))
	}

	for _, dom := range f.DNS.Domains {
		if policy, _ := dmarc(dom.DMARC); dom.DMARC != "" && policy == "" {
			d.Left = append(d.Left, fmt.Sprintf("DMARC of %s, %q: it says more than domains.dmarc can.",
				dom.Name, dom.DMARC))
		}

		if dom.TLSRPT != "" && tlsReports(dom.TLSRPT) == nil {
			d.Left = append(d.Left, fmt.Sprintf("TLS reports of %s, %q: they say more than domains.tlsrpt can.",
				dom.Name, dom.TLSRPT))
		}

		for _, e := range dom.Elsewhere {
			d.Left = append(d.Left, fmt.Sprintf("%s: an alias of %s, where it is kept.",
				e.Name, e.Alias))
		}

		if len(dom.OtherServices) > 0 {
			d.Left = append(d.Left, fmt.Sprintf("SRV of %s with its own priorities or weights: %s.",
				dom.Name, strings.Join(dom.OtherServices, ", ")))
		}

		if isHostedMail(dom.MX) {
			var hosts []string
			for _, m := range dom.MX {
				hosts = append(hosts, m.Host)
			}
			d.Left = append(d.Left, fmt.Sprintf("MX of %s, %s: mail is taken there, and this server only sends.",
				dom.Name, strings.Join(hosts, ", ")))
		}

		if dom.MTASTS != "" {
			d.Left = append(d.Left, fmt.Sprintf("MTA-STS of %s: domains.mta_sts publishes a policy and its record.",
				dom.Name))
		}

		if len(dom.Selectors) > 0 {
			d.Left = append(d.Left, fmt.Sprintf("DKIM of %s, selector %s: domains.dkim takes it up with its private key.",
				dom.Name, strings.Join(dom.Selectors, ", ")))
		}
	}
}
