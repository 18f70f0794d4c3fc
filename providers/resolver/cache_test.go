package resolver

import (
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/providers/servertest"
)

const soa = "@ SOA ns.nic.test. hostmaster.nic.test. 1 3600 600 86400 300\n"

// world is the Internet of these tests: a provider's zones, the site's own, a vendor's, and a
// delegation of a reverse zone without classes (RFC 2317).
func world() *servertest.World {
	return &servertest.World{Servers: map[string]map[string]string{
		"127.0.0.11": {
			".": "@ SOA a. h. 1 1 1 1 1\n@ NS a.root.\na.root. A 127.0.0.11\ntest. NS ns.nic.test.\nns.nic.test. A 127.0.0.12\narpa. NS ns.nic.test.\n",
		},
		"127.0.0.12": {
			"test.": soa + "@ NS ns.nic.test.\nns.nic A 127.0.0.12\n" +
				"azienda NS ns.azienda.test.\nns.azienda A 127.0.0.13\nvendor NS ns.vendor.test.\nns.vendor A 127.0.0.14\n" +
				"lost NS ns.lost.test.\nns.lost A 127.0.0.13\n",
			"arpa.": soa + "@ NS ns.nic.test.\n2.2.2.in-addr NS ns.vendor.test.\n",
		},
		"127.0.0.13": {
			"azienda.test.": strings.ReplaceAll(soa, "nic", "azienda") + "@ NS ns\nns A 127.0.0.13\n@ MX 10 mail\nmail A 2.2.2.2\n" +
				"_dmarc CNAME azienda.dmarc.vendor.test.\nm1._domainkey CNAME m1.vendor.test.\nfar CNAME gone.vendor.test.\n" +
				"loop CNAME loop2\nloop2 CNAME loop\nout CNAME back.vendor.test.\n" +
				"child NS ns.vendor.test.\n_tcp DNAME tcp.vendor.test.\n",
			"0-127.2.2.2.in-addr.arpa.": soa + "@ NS ns.azienda.test.\n2 PTR mail.azienda.test.\n",
			"rev.azienda.test.":         soa + "@ NS ns.azienda.test.\n2 PTR mail.azienda.test.\n",
		},
		"127.0.0.14": {
			"vendor.test.": soa + "@ NS ns\nns A 127.0.0.14\nazienda.dmarc TXT \"v=DMARC1; p=reject\"\nm1 TXT \"v=DKIM1; p=AAAA\"\n" +
				"back CNAME out.azienda.test.\n_25.tcp TLSA 3 1 1 00\n",
			"child.azienda.test.": soa + "@ NS ns.vendor.test.\nwww.child A 2.2.2.80\nwww A 2.2.2.80\n",
			"2.2.2.in-addr.arpa.": soa + "@ NS ns.vendor.test.\n0-127 NS ns.azienda.test.\n2 CNAME 2.0-127\n3 CNAME ptr3.azienda.test.\n",
		},
	}}
}

func cacheOf(t *testing.T, w *servertest.World, nameservers map[string][]string) *QueryCache {
	t.Helper()
	r := &Resolver{Servers: []string{w.Start(t)}, Timeout: 300 * time.Millisecond, Attempts: 1}
	return NewQueryCache(r, nameservers, w.Port)
}

// What is asked of a zone's own servers is followed to where it ends, in the zone or out of it.
func TestAuthoritativeFollows(t *testing.T) {
	l := cacheOf(t, world(), nil)
	for _, c := range []struct{ name, rrtype, want, chain string }{
		{"azienda.test", "MX", "10 mail.azienda.test.", ""},
		{"_dmarc.azienda.test", "TXT", `"v=DMARC1; p=reject"`, "azienda.dmarc.vendor.test."},
		{"m1._domainkey.azienda.test", "TXT", `"v=DKIM1; p=AAAA"`, "m1.vendor.test."},
		{"2.2.2.2.in-addr.arpa", "PTR", "mail.azienda.test.", "2.0-127.2.2.2.in-addr.arpa."},
		{"3.2.2.2.in-addr.arpa", "PTR", "no such name", "ptr3.azienda.test."},
		{"far.azienda.test", "A", "no such name", "gone.vendor.test."},
		{"www.child.azienda.test", "A", "2.2.2.80", ""},
		{"_25._tcp.azienda.test", "TLSA", "3 1 1 00", "_25.tcp.vendor.test."},
		{"none.azienda.test", "A", "no such name", ""},
	} {
		servers, err := l.NameServers(t.Context(), c.name)
		if err != nil || len(servers) == 0 {
			t.Errorf("%s: %v %v", c.name, servers, err)
			continue
		}

		a, err := l.Ask(t.Context(), Source{servers[0], true}, c.name, c.rrtype)
		got := strings.Join(a.Data(), " ")
		if a.Status != Found {
			got = a.Status.String()
		}

		if err != nil || got != c.want || strings.Join(a.Chain, " ") != c.chain {
			t.Errorf("%s %s: %s by %v, %v; want %s by %s", c.name, c.rrtype, got, a.Chain, err,
				c.want, c.chain)
		}
	}

	for _, name := range []string{"loop.azienda.test", "out.azienda.test"} {
		if a, err := l.Authoritative(t.Context(), name, "A"); err == nil && a.Status == Found {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// Servers that the config names for a zone refer to those of a zone below it.
func TestAuthoritativeBelowConfigured(t *testing.T) {
	w := world()
	l := cacheOf(t, w, nil)
	l.nameservers["azienda.test."] = []string{"127.0.0.13:" + w.Port}
	a, err := l.Authoritative(t.Context(), "www.child.azienda.test", "A")
	if err != nil || strings.Join(a.Data(), " ") != "2.2.2.80" {
		t.Errorf("%v %v", a.Data(), err)
	}
}

// A resolver that serves a zone itself does not say what the world sees.
func TestInnerZone(t *testing.T) {
	const ad = "@ SOA dc1.azienda.test. admin.azienda.test. 7 1 1 1 1\n@ NS dc1\ndc1 A 10.10.10.5\nmail A 10.10.10.10\n"
	w := world()
	w.Inner = map[string]string{"azienda.test.": ad}
	l := cacheOf(t, w, nil)
	a, err := l.Authoritative(t.Context(), "mail.azienda.test", "A")
	if err != nil || strings.Join(a.Data(), " ") != "2.2.2.2" {
		t.Errorf("%v %v, want the world's", a.Data(), err)
	}

	if inner := l.Inner(t.Context(), "mail.azienda.test"); inner != "azienda.test." {
		t.Errorf("inner zone %q", inner)
	}

	zone, hosts, err := l.Delegation(t.Context(), "mail.azienda.test")
	if zone != "azienda.test." || strings.Join(hosts, " ") != "ns.azienda.test." || err != nil {
		t.Errorf("%s is served by %v, %v", zone, hosts, err)
	}

	if inner := l.Inner(t.Context(), "m1.vendor.test"); inner != "" {
		t.Errorf("vendor.test is taken for an inner zone %q", inner)
	}

	pinpoint := world()
	pinpoint.Inner = map[string]string{"mail.azienda.test.": "@ SOA dc1.azienda.test. admin.azienda.test. 7 1 1 1 1\n@ NS dc1.azienda.test.\n@ A 10.10.10.10\n"}
	l = cacheOf(t, pinpoint, nil)
	a, err = l.Authoritative(t.Context(), "mail.azienda.test", "A")
	if err != nil || strings.Join(a.Data(), " ") != "2.2.2.2" ||
		l.Inner(t.Context(), "mail.azienda.test") != "mail.azienda.test." {
		t.Errorf("%v %v, inner %q", a.Data(), err, l.Inner(t.Context(), "mail.azienda.test"))
	}

	if inner := cacheOf(t, world(), nil).Inner(t.Context(), "mail.azienda.test"); inner != "" {
		t.Errorf("without one: inner zone %q", inner)
	}
}

// A name that a resolver can't find out in time is one name: the others are asked all the same.
func TestSlowName(t *testing.T) {
	w := world()
	w.Silent = []string{"_spf.dead.test."}
	l := cacheOf(t, w, nil)

	for range 2 {
		if _, err := l.Resolve(t.Context(), "_spf.dead.test", "TXT"); err == nil ||
			!strings.Contains(err.Error(), "no reply") {
			t.Errorf("the slow name: %v", err)
		}
	}

	if a, err := l.Resolve(t.Context(), "azienda.test", "MX"); err != nil || a.Status != Found {
		t.Errorf("after it: %v %v", a, err)
	}
}
