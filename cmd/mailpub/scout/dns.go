package scout

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/orgdomain"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/resolver"
)

// DNS is what is published.
type DNS struct {
	Domains []Domain `json:"domains"`
	Host    Host     `json:"host"`
	Reverse Reverse  `json:"reverse"`
}

// Zone is one of DNS, and who serves it.
type Zone struct {
	Name        string         `json:"name,omitempty"` // without the final dot; "" where none is delegated
	Nameservers []string       `json:"nameservers,omitempty"`
	Server      string         `json:"server,omitempty"` // where the first is asked, host:port
	Host        providers.Host `json:"host,omitzero"`    // zero: not known, perhaps the owner's own
	Silent      string         `json:"silent,omitempty"` // why it is not known
}

// Domain is a mail domain as it is. Texts are the records' own.
type Domain struct {
	Name       string    `json:"name"`
	Zone       Zone      `json:"zone"`
	MX         []MX      `json:"mx,omitempty"`
	TTL        int       `json:"ttl,omitempty"` // of MX, seconds
	SPF        string    `json:"spf,omitempty"`
	DMARC      string    `json:"dmarc,omitempty"`
	TLSRPT     string    `json:"tlsrpt,omitempty"`
	MTASTS     string    `json:"mta_sts,omitempty"`
	Services   []Service `json:"services,omitempty"`
	Autoconfig string    `json:"autoconfig,omitempty"` // the host behind both autoconfig names
	Selectors  []string  `json:"selectors,omitempty"`  // of DKIM, those of the usual names that are there
	// AliasedName are policies and keys that are aliases: others keep them.
	Elsewhere []AliasedName `json:"elsewhere,omitempty"`
	// OtherServices are SRV records that mailpub would not write so.
	OtherServices []string `json:"other_services,omitempty"`
}

// AliasedName is a name that is an alias of another.
type AliasedName struct {
	Name  string `json:"name"`
	Alias string `json:"alias"`
}

// MX is a mail exchanger, without the final dot.
type MX struct {
	Host       string `json:"host"`
	Preference int    `json:"preference"`
}

// Service is an SRV record.
type Service struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Host is the mail host as it is.
type Host struct {
	Name      string       `json:"name,omitempty"`
	Zone      Zone         `json:"zone"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Alias     string       `json:"alias,omitempty"`     // of what: then it is no mail host
	CAA       []string     `json:"caa,omitempty"`       // who may issue; nil where the records say more
	OtherCAA  []string     `json:"other_caa,omitempty"` // the records, where they say more
	TLSA      []int        `json:"tlsa,omitempty"`      // ports
}

// Reverse is the PTR of the public address.
type Reverse struct {
	Zone  Zone     `json:"zone"`
	Names []string `json:"names,omitempty"`
}

// selectors are the names that keys of DKIM often have: none can be listed.
func selectors() []string {
	return []string{"default", "dkim", "mail", "m1", "s1", "s2", "k1", "key1", "mx",
		"selector1", "selector2", "google", "mdaemon"}
}

func newSurvey(o Options) *resolver.Survey {
	return resolver.NewSurvey(o.Resolver,
		o.Nameservers)
}

func detectDNS(ctx context.Context, o Options) DNS {
	s := newSurvey(o)
	d := DNS{Domains: make([]Domain, len(o.Domains))}
	var wg sync.WaitGroup

	for i, name := range o.Domains {
		wg.Go(func() { d.Domains[i] = domain(ctx, s, name) })
	}

	wg.Wait()
	host := o.Host
	if host == "" && len(d.Domains) > 0 && len(d.Domains[0].MX) > 0 {
		host = d.Domains[0].MX[0].Host
	}

	if host != "" {
		d.Host = mailHost(ctx, s, host)
	}

	return d
}

func zoneOf(ctx context.Context, s *resolver.Survey, name string) (z Zone) {
	zone, servers, err := s.Zone(ctx, name)
	if err != nil {
		z.Silent = err.Error()
		return z
	}

	z.Name = strings.TrimSuffix(zone, ".")
	if z.Name == "" || orgdomain.IsSuffix(z.Name, name) {
		return Zone{Silent: "it is not registered, or not delegated"}
	}

	for _, ns := range servers {
		z.Nameservers = append(z.Nameservers, strings.TrimSuffix(ns, "."))
	}

	slices.Sort(z.Nameservers)
	z.Host, _ = providers.HostOf(z.Nameservers)
	if at, err := s.Servers(ctx, zone); err == nil {
		z.Server = at[0]
	}

	return z
}

func domain(ctx context.Context, s *resolver.Survey, name string) Domain {
	d := Domain{Name: name, Zone: zoneOf(ctx, s, name)}
	if d.Zone.Name == "" {
		return d
	}

	var wg sync.WaitGroup
	wg.Go(func() { d.exchangers(ctx, s) })
	wg.Go(func() { d.SPF = findText(ctx, s, name, "v=spf1") })
	var mu sync.Mutex
	own := func(into *string, name, tag string) {
		alias := findAlias(ctx, s, name)
		if alias == "" {
			*into = findText(ctx, s, name, tag)
			return
		}

		mu.Lock()
		defer mu.Unlock()

		d.Elsewhere = append(d.Elsewhere, AliasedName{name, alias})
	}

	wg.Go(func() { own(&d.DMARC, "_dmarc."+name, "v=DMARC1") })
	wg.Go(func() { own(&d.TLSRPT, "_smtp._tls."+name, "v=TLSRPTv1") })
	wg.Go(func() { own(&d.MTASTS, "_mta-sts."+name, "v=STSv1") })
	wg.Go(func() { d.services(ctx, s) })
	wg.Go(func() {
		first := findAlias(ctx, s, "autoconfig."+name)
		second := findAlias(ctx, s, "autodiscover."+name)
		if first == second {
			d.Autoconfig = first
		}
	})

	wg.Go(func() {
		for _, selector := range selectors() {
			at := selector + "._domainkey." + name
			a, err := s.Ask(ctx, at, "TXT")
			switch {
			case err == nil && len(a.Chain) > 0:
				mu.Lock()
				d.Elsewhere = append(d.Elsewhere,
					AliasedName{at, strings.TrimSuffix(a.Chain[0], ".")})
				mu.Unlock()
			case err == nil && len(a.Records) > 0:
				d.Selectors = append(d.Selectors, selector)
			}
		}
	})

	wg.Wait()
	slices.SortFunc(d.Elsewhere, func(a, b AliasedName) int {
		return strings.Compare(a.Name, b.Name)
	})

	return d
}

func (d *Domain) exchangers(ctx context.Context, s *resolver.Survey) {
	a, err := s.Ask(ctx, d.Name, "MX")
	if err != nil {
		return
	}

	for _, r := range a.Records {
		preference, host, _ := strings.Cut(r.Data, " ")
		n, err := strconv.Atoi(preference)
		if err == nil && host != "." { // a null MX: no mail so far (RFC 7505)
			d.MX = append(d.MX, MX{strings.TrimSuffix(host, "."), n})
			d.TTL = r.TTL
		}
	}

	slices.SortStableFunc(d.MX, func(a, b MX) int { return a.Preference - b.Preference })
}

// services asks for the SRV records that mailpub writes; one that says more is left out.
func (d *Domain) services(ctx context.Context, s *resolver.Survey) {
	for _, name := range []string{"imaps", "imap", "pop3s", "pop3", "submissions",
		"submission"} {
		a, err := s.Ask(ctx, "_"+name+"._tcp."+d.Name, "SRV")
		if err != nil || len(a.Records) == 0 {
			continue
		}

		f := strings.Fields(a.Records[0].Data)
		if len(a.Records) != 1 || len(f) != 4 { // of one alone, priority and weight choose among none
			for _, data := range a.Data() {
				d.OtherServices = append(d.OtherServices, "_"+name+"._tcp "+data)
			}
			continue
		}

		if port, err := strconv.Atoi(f[2]); err == nil {
			if f[3] == "." {
				port = cmp.Or(port, 1) // there is none, at whatever port
			}
			d.Services = append(d.Services, Service{name, undotted(f[3]), port})
		}
	}
}

// undotted takes the final dot off a name; "." itself stays.
func undotted(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// findText returns the one TXT record at a name that begins with tag; "" where there is none, or
// several.
func findText(ctx context.Context, s *resolver.Survey, name, tag string) (found string) {
	a, err := s.Ask(ctx, name, "TXT")
	if err != nil {
		return ""
	}

	for _, r := range a.Records {
		t, err := mail.Text(r.Data)
		if err != nil || !strings.HasPrefix(strings.ToLower(t), strings.ToLower(tag)) {
			continue
		}
		if found != "" {
			return ""
		}

		found = t
	}

	return found
}

func findAlias(ctx context.Context, s *resolver.Survey, name string) string {
	a, err := s.Ask(ctx, name, "CNAME")
	if err != nil || len(a.Records) != 1 {
		return ""
	}
	return strings.TrimSuffix(a.Records[0].Data, ".")
}

func mailHost(ctx context.Context, s *resolver.Survey, name string) Host {
	h := Host{Name: name, Zone: zoneOf(ctx, s, name), Alias: findAlias(ctx, s, name)}
	for _, t := range []string{"A", "AAAA"} {
		a, err := s.Ask(ctx, name, t)
		if err != nil {
			continue
		}

		for _, r := range a.Records {
			if addr, err := netip.ParseAddr(r.Data); err == nil {
				h.Addresses = append(h.Addresses, addr)
			}
		}
	}

	if a, err := s.Ask(ctx, name, "CAA"); err == nil {
		if h.CAA = issuers(a.Data()); h.CAA == nil {
			h.OtherCAA = a.Data()
		}
	}

	for _, port := range []int{25, 465, 587, 993, 995} {
		if a, err := s.Ask(ctx, "_"+strconv.Itoa(port)+"._tcp."+name, "TLSA"); err == nil &&
			len(a.Records) > 0 {
			h.TLSA = append(h.TLSA, port)
		}
	}

	return h
}

// issuers reads CAA records of the kind that mailpub writes; nil where any is of another.
func issuers(records []string) (who []string) {
	for _, data := range records {
		value, ok := strings.CutPrefix(data, `0 issue "`)
		value = strings.TrimSuffix(value, `"`)
		if !ok || value == "" || strings.ContainsAny(value, `; "`) {
			return nil
		}
		who = append(who, value)
	}

	return who
}

// reverse asks what the public address is called.
func (d *DNS) reverse(ctx context.Context, s *resolver.Survey, a netip.Addr) {
	name := mail.ReverseName(a)
	if ptr, err := s.Ask(ctx, name, "PTR"); err == nil {
		for _, r := range ptr.Records {
			d.Reverse.Names = append(d.Reverse.Names, strings.TrimSuffix(r.Data, "."))
		}
	}
	d.Reverse.Zone = zoneOf(ctx, s, name)
}
