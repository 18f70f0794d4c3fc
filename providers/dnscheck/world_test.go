package dnscheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/servertest"
)

const (
	soaOf    = "@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\n"
	goodSite = soaOf + "ns A 127.0.0.13\n@ MX 10 mail\n@ TXT \"v=spf1 mx ip4:2.2.2.2 -all\"\nmail A 2.2.2.2\nmail TXT \"v=spf1 a -all\"\n"
)

// smallWorld is the Internet of a right site: the root, a registry, the site's provider, a vendor.
func smallWorld() *servertest.World {
	return &servertest.World{Servers: map[string]map[string]string{
		"127.0.0.11": {".": "@ SOA a. h. 1 1 1 1 1\n@ NS a.root.\na.root. A 127.0.0.11\nit. NS ns.nic.it.\nns.nic.it. A 127.0.0.12\ntest. NS ns.nic.it.\narpa. NS ns.nic.it.\n"},
		"127.0.0.12": {
			"it.":   "@ SOA ns.nic h.nic 1 1 1 1 300\n@ NS ns.nic\nns.nic A 127.0.0.12\nnomeazienda NS ns.nomeazienda\nns.nomeazienda A 127.0.0.13\n",
			"test.": "@ SOA ns.nic.it. h.nic.it. 1 1 1 1 300\n@ NS ns.nic.it.\nvendor NS ns.vendor\nns.vendor A 127.0.0.14\n",
			"arpa.": "@ SOA ns.nic.it. h.nic.it. 1 1 1 1 300\n@ NS ns.nic.it.\n2.2.2.in-addr NS ns.vendor.test.\n",
		},
		"127.0.0.13": {"nomeazienda.it.": goodSite},
		"127.0.0.14": {
			"vendor.test.":        soaOf + "ns A 127.0.0.14\npolicy TXT \"v=DMARC1; p=reject\"\n",
			"2.2.2.in-addr.arpa.": "@ SOA ns.vendor.test. h.vendor.test. 1 1 1 1 300\n@ NS ns.vendor.test.\n2 PTR mail.nomeazienda.it.\n",
		},
	}}
}

// The world as real zones and resolvers are: what each check says, and that nothing else is wrong.
func TestChecksInTheWorld(t *testing.T) {
	key := rsaText(t, 1024)
	for _, c := range []struct {
		name   string
		change func(w *servertest.World, f *Facts)
		want   map[string]string // id to status and text; what is not named passes, or skips for want of a server
	}{
		{"a right site", func(*servertest.World, *Facts) {}, map[string]string{"dmarc.policy": "warn none"}},
		{"a policy that a vendor keeps", func(w *servertest.World, _ *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "_dmarc CNAME policy.vendor.test.\n"
		}, map[string]string{"dmarc.single": "pass 1", "dmarc.syntax": "pass v=DMARC1; p=reject", "dmarc.policy": "pass reject"}},
		{"a DKIM key that a vendor keeps", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "m1._domainkey CNAME m1.vendor.test.\n"
			w.Servers["127.0.0.14"]["vendor.test."] += "m1 TXT \"v=DKIM1; p=" + key + "\"\n"
			f.Domains[0].DKIM = []Selector{{Name: "m1", Proves: func(string) error { return nil }}}
		}, map[string]string{"dkim.record": "pass v=DKIM1", "dmarc.policy": "warn none"}},
		{"a policy for TLS that is kept elsewhere", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "_mta-sts TXT \"v=STSv1; id=1\"\n"
			f.FetchPolicy = func(context.Context, string, []mail.MX) (string, bool, error) { return "", true, nil }
		}, map[string]string{"sts.record": "pass lets mail in", "dmarc.policy": "warn none"}},
		{"one that keeps mail away", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "_mta-sts TXT \"v=STSv1; id=1\"\n"
			f.FetchPolicy = func(_ context.Context, _ string, mx []mail.MX) (string, bool, error) { return mx[0].Host, true, nil }
		}, map[string]string{"sts.record": "fail keeps mail away from mail.nomeazienda.it", "dmarc.policy": "warn none"}},
		{"one that is not served", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "_mta-sts TXT \"v=STSv1; id=1\"\n"
			f.FetchPolicy = func(context.Context, string, []mail.MX) (string, bool, error) {
				return "", false, errors.New("HTTP 404")
			}
		}, map[string]string{"sts.record": "fail no policy is served", "dmarc.policy": "warn none"}},
		{"a reverse zone without classes", func(w *servertest.World, _ *Facts) {
			w.Servers["127.0.0.14"]["2.2.2.in-addr.arpa."] = "@ SOA ns.vendor.test. h.vendor.test. 1 1 1 1 300\n@ NS ns.vendor.test.\n2 CNAME 2.0-127\n0-127 NS ns.nomeazienda.it.\n"
			w.Servers["127.0.0.13"]["0-127.2.2.2.in-addr.arpa."] = "@ SOA ns.nomeazienda.it. h.nomeazienda.it. 1 1 1 1 300\n@ NS ns.nomeazienda.it.\n2 PTR mail.nomeazienda.it.\n"
		}, map[string]string{"host.ptr": "pass mail.nomeazienda.it.", "dmarc.policy": "warn none"}},
		{"a reverse name in the site's own zone", func(w *servertest.World, _ *Facts) {
			w.Servers["127.0.0.14"]["2.2.2.in-addr.arpa."] = "@ SOA ns.vendor.test. h.vendor.test. 1 1 1 1 300\n@ NS ns.vendor.test.\n2 CNAME ptr2.nomeazienda.it.\n"
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "ptr2 PTR mail\n"
		}, map[string]string{"host.ptr": "pass mail.nomeazienda.it.", "dmarc.policy": "warn none"}},
		{"an office that serves the domain inside", func(w *servertest.World, _ *Facts) {
			w.Inner = map[string]string{"nomeazienda.it.": "@ SOA dc1 admin 9 1 1 1 1\n@ NS dc1\ndc1 A 10.10.10.5\nmail A 10.10.10.10\n"}
		}, map[string]string{"host.a": "pass 2.2.2.2", "dns.vantage": "warn serves an inner zone nomeazienda.it", "dmarc.policy": "warn none"}},
		{"a resolver that overrides the host", func(w *servertest.World, _ *Facts) {
			w.Inner = map[string]string{"mail.nomeazienda.it.": "@ A 10.10.10.10\n"}
		}, map[string]string{"host.a": "pass", "dns.vantage": "warn answers 10.10.10.10 for mail.nomeazienda.it itself", "spf.single": "pass", "dmarc.policy": "warn none"}},
		{"one that leads it to the server inside", func(w *servertest.World, f *Facts) {
			w.Inner = map[string]string{"mail.nomeazienda.it.": "@ A 10.10.10.10\n"}
			f.Inside = "10.10.10.10"
		}, map[string]string{"host.a": "pass", "dns.vantage": "pass the server's private address", "dmarc.policy": "warn none"}},
		{"another domain whose include is dead", func(w *servertest.World, f *Facts) {
			w.Silent = []string{"_spf.dead.test."}
			w.Servers["127.0.0.13"]["d0.it."] = soaOf + "ns A 127.0.0.13\n@ MX 10 mail.nomeazienda.it.\n@ TXT \"v=spf1 include:_spf.dead.test -all\"\n"
			w.Servers["127.0.0.12"]["it."] += "d0 NS ns.nomeazienda\n"
			f.Domains = append([]Domain{{Name: "d0.it.", MX: f.Domains[0].MX}}, f.Domains...)
		}, map[string]string{"spf.pass 2.2.2.2 for nomeazienda.it": "pass", "spf.pass 2.2.2.2 for d0.it": "skip", "spf.syntax d0.it": "skip", "dmarc.policy": "warn none"}},
		{"a policy of the organization's", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] += "_dmarc TXT \"v=DMARC1; p=none; sp=reject\"\nsub MX 10 mail\nsub TXT \"v=spf1 mx -all\"\n"
			f.Domains[0].Name = "sub.nomeazienda.it."
		}, map[string]string{"dmarc.policy": "pass reject, by the record of nomeazienda.it"}},
		{"the parent sends the world to another server", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.12"]["it."] = strings.Replace(w.Servers["127.0.0.12"]["it."], "nomeazienda NS ns.nomeazienda\n", "nomeazienda NS ns.vendor.test.\n", 1)
			w.Servers["127.0.0.14"]["nomeazienda.it."] = "@ SOA ns.vendor.test. old.vendor.test. 77 1 1 1 300\n@ NS ns.vendor.test.\n@ MX 10 old.vendor.test.\nmail A 192.0.2.7\n"
			w.Servers["127.0.0.14"]["vendor.test."] += "old A 192.0.2.7\n"
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.13"}}
		}, map[string]string{"dns.delegation": "pass ns.vendor.test.", "dns.written": "fail mailpub writes the zone at 127.0.0.13:", "mx.expected": "fail", "host.a": "fail", "host.fcrdns": "fail", "spf.single": "fail", "spf.pass": "fail", "spf.syntax": "skip", "spf.all": "skip", "spf.size": "skip", "dmarc.policy": "warn"}},
		{"a hidden primary", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.15"] = map[string]string{"nomeazienda.it.": goodSite}
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.15"}}
		}, map[string]string{"dmarc.policy": "warn none"}},
		{"a hidden primary of another name that agrees", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.15"] = map[string]string{"nomeazienda.it.": strings.Replace(goodSite, "SOA ns hostmaster 1 ", "SOA hidden.vendor.test. dns.vendor.test. 42 ", 1)}
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.15"}}
		}, map[string]string{"dns.written": "pass", "dmarc.policy": "warn none"}},
		{"a provider that the parent does not name", func(_ *servertest.World, f *Facts) {
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "desec", Hosts: []string{"*.desec.io", "*.desec.org"}}}
		}, map[string]string{"dns.written": "fail sends resolvers to ns.nomeazienda.it, and mailpub writes the zone at desec", "dmarc.policy": "warn none"}},
		{"name servers of a provider under other names", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.13"]["nomeazienda.it."] = strings.Replace(goodSite, "SOA ns hostmaster ", "SOA ns1.desec.io. get.desec.io. ", 1)
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "desec", Hosts: []string{"*.desec.io", "*.desec.org"}}}
		}, map[string]string{"dns.written": "pass", "dmarc.policy": "warn none"}},
		{"a zone that no delegation leads to", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.15"] = map[string]string{"posta.nomeazienda.it.": "@ SOA ns.nomeazienda.it. p.nomeazienda.it. 1 1 1 1 300\n@ NS ns.posta.nomeazienda.it.\nx A 2.2.2.2\n"}
			f.Zones = append(f.Zones, "posta.nomeazienda.it")
			f.Written = map[string]WrittenZone{"posta.nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.15"}, "nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.13"}}
			f.Owned = []plan.Entry{{Key: mail.DNSKey("x.posta.nomeazienda.it", "A"), Text: []string{"2.2.2.2 ttl 300"}}}
		}, map[string]string{"dns.delegation posta.nomeazienda.it": "skip does not delegate", "dns.written nomeazienda.it": "pass", "dns.zone posta.nomeazienda.it": "fail does not hold the zone", "dns.written posta.nomeazienda.it": "fail the zone that mailpub writes at", "dmarc.policy": "warn none", "dns.drift": "fail"}},
		{"two providers for one zone", func(w *servertest.World, f *Facts) {
			w.Servers["127.0.0.12"]["it."] += "nomeazienda NS ns.vendor.test.\n"
			both := goodSite + "@ NS ns.vendor.test.\n"
			w.Servers["127.0.0.13"]["nomeazienda.it."] = both
			w.Servers["127.0.0.14"]["nomeazienda.it."] = strings.Replace(both, "SOA ns hostmaster 1 ", "SOA ns.vendor.test. dns.vendor.test. 42 ", 1)
			f.Written = map[string]WrittenZone{"nomeazienda.it.": {Provider: "rfc2136", Server: "127.0.0.13"}}
		}, map[string]string{"dns.zone": "pass from 2 primaries", "dmarc.policy": "warn none"}},
		{"mail that others take", func(w *servertest.World, f *Facts) {
			zone := strings.Replace(goodSite, "@ MX 10 mail\n", "@ MX 1 in.vendor.test.\n", 1)
			w.Servers["127.0.0.13"]["nomeazienda.it."] = strings.Replace(zone, "v=spf1 mx ", "v=spf1 ", 1)
			w.Servers["127.0.0.14"]["vendor.test."] += "in A 192.0.2.8\n"
			f.Domains[0].MX = nil
		}, map[string]string{"mx.exists": "pass taken elsewhere: 1 in.vendor.test.", "mx.target": "pass", "dmarc.policy": "warn none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := smallWorld()
			f := Facts{
				Host:      "mail.nomeazienda.it",
				Public:    []netip.Addr{netip.MustParseAddr("2.2.2.2")},
				Domains:   []Domain{{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
				Zones:     []string{"nomeazienda.it"},
				HostsFile: os.DevNull,
			}

			c.change(w, &f)
			f.Resolver = &resolver.Resolver{
				Servers:  []string{w.Start(t)},
				Timeout:  400 * time.Millisecond,
				Attempts: 1,
			}

			f.port = w.Port
			for zone, at := range f.Written {
				if at.Server != "" {
					at.Server = net.JoinHostPort(at.Server, w.Port)
				}
				f.Written[zone] = at
			}

			for _, check := range plan.RunChecks(t.Context(), Checks(f)) {
				want, named := c.want[check.ID+" "+check.Subject.String()]
				if !named {
					want, named = c.want[check.ID]
				}

				status, text, _ := strings.Cut(want, " ")
				switch {
				case named && (string(check.Status) != status ||
					!strings.Contains(check.Got, text)):
					t.Errorf("%s %s is %s: %s, want %s", check.ID, check.Subject, check.Status,
						check.Got, want)
				case !named && check.Status != plan.Pass:
					t.Errorf("%s %s is %s: %s", check.ID, check.Subject, check.Status,
						check.Got)
				}
			}
		})
	}
}
