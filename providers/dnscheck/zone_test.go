package dnscheck

import (
	"crypto"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// signedZone returns a zone's text with a key and signatures that are valid from and to some
// hours from now, and the DS for it.
func signedZone(t *testing.T, from, to int) (text, ds string) {
	t.Helper()
	key := &dns.DNSKEY{
		Hdr: dns.RR_Header{
			Name:   zonetest.Zone,
			Rrtype: dns.TypeDNSKEY,
			Class:  dns.ClassINET,
			Ttl:    3600,
		},
		Flags:     257,
		Protocol:  3,
		Algorithm: dns.ECDSAP256SHA256,
	}

	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}

	now := time.Now()
	sign := func(rrs ...dns.RR) string {
		sig := &dns.RRSIG{
			Algorithm:  key.Algorithm,
			KeyTag:     key.KeyTag(),
			SignerName: zonetest.Zone,
			Inception:  uint32(now.Add(time.Duration(from) * time.Hour).Unix()),
			Expiration: uint32(now.Add(time.Duration(to) * time.Hour).Unix()),
		}

		if err := sig.Sign(private.(crypto.Signer), rrs); err != nil {
			t.Fatal(err)
		}

		return sig.String() + "\n"
	}

	sets := map[record.RRset][]dns.RR{}
	parser := dns.NewZoneParser(strings.NewReader(zonetest.GoodZone), zonetest.Zone, "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		set := record.FromRR(rr).RRset
		sets[set] = append(sets[set], rr)
	}

	text = zonetest.GoodZone + key.String() + "\n" + sign(key)
	for _, rrs := range sets {
		text += sign(rrs...)
	}

	return text, strings.Join(strings.Fields(key.ToDS(dns.SHA256).String())[4:], " ")
}

func TestZoneChecks(t *testing.T) {
	good, ds := signedZone(t, -1, 24)
	expired, _ := signedZone(t, -48, -24)
	early, _ := signedZone(t, 24, 48)
	damaged := strings.Replace(good, "@ IN MX 10 mail", "@ IN MX 11 mail", 1)
	parent := func(ds string) string {
		if ds != "" {
			ds = "nomeazienda.it. IN DS " + ds + "\n"
		}
		return "$TTL 3600\n@ IN SOA ns.nomeazienda.it. h.nomeazienda.it. 1 3600 600 86400 300\n@ IN NS ns.nomeazienda.it.\n" + ds
	}

	for name, test := range map[string]struct {
		zone, parent, want string
		status             plan.Status
	}{
		"unsigned":                {zonetest.GoodZone, parent(""), "unsigned", plan.Pass},
		"signed":                  {good, parent(ds), "signed, with 1 keys", plan.Pass},
		"signed, unknown above":   {good, parent(""), "the parent has no DS", plan.Warn},
		"a DS and no keys":        {zonetest.GoodZone, parent(ds), "the zone has no keys", plan.Fail},
		"a DS of another key":     {good, parent("1 13 2 " + strings.Repeat("ab", 32)), "no DNSKEY of the zone", plan.Fail},
		"expired":                 {expired, parent(""), "the signature of DNSKEY is valid from", plan.Fail},
		"not valid yet":           {early, parent(""), "the signature of DNSKEY is valid from", plan.Fail},
		"changed without signing": {damaged, parent(ds), "the signature of MX is of no key", plan.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			addr := zonetest.Serve(t, map[string]string{zonetest.Zone: test.zone})
			up := zonetest.Serve(t, map[string]string{"it.": test.parent})
			f := siteFacts(addr)
			f.Resolver.Servers = []string{up}
			f.Nameservers = map[string][]string{zonetest.Zone: {addr}}
			f.Zones = []string{zonetest.Zone}
			found := zoneChecks(t, f)

			if c := found["dns.dnssec"]; c.Status != test.status ||
				!strings.Contains(c.Got, test.want) {
				t.Errorf("%s: %s, want %s: %s", c.Status, c.Got, test.status, test.want)
			}

			if c := found["dns.zone"]; c.Status != plan.Pass {
				t.Errorf("dns.zone is %s: %s", c.Status, c.Got)
			}
		})
	}
}

// Each server is looked at: one whose signatures ran out breaks the zone for whoever asks it.
func TestSignaturesAtEveryServer(t *testing.T) {
	good, ds := signedZone(t, -1, 24)
	expired, _ := signedZone(t, -48, -24)
	first := zonetest.Serve(t, map[string]string{zonetest.Zone: good})
	second := zonetest.Serve(t, map[string]string{zonetest.Zone: expired})
	f := siteFacts(first)
	f.Resolver.Servers = []string{zonetest.Serve(t,
		map[string]string{"it.": "$TTL 3600\n@ IN SOA a. h. 1 1 1 1 1\n@ IN NS a.\nnomeazienda.it. IN DS " +
			ds + "\n"})}

	f.Nameservers = map[string][]string{zonetest.Zone: {first, second}}
	f.Zones = []string{zonetest.Zone}
	if c := zoneChecks(t, f)["dns.dnssec"]; c.Status != plan.Fail ||
		!strings.Contains(c.Got, "valid from") || !strings.Contains(c.Got, second) {
		t.Errorf("%s: %s", c.Status, c.Got)
	}

	strange := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone +
		"@ IN DNSKEY 257 3 16 " + strings.Repeat("A", 76) + "\n"})

	f.Nameservers[zonetest.Zone] = []string{strange}
	if c := zoneChecks(t, f)["dns.dnssec"]; c.Status != plan.Skip ||
		!strings.Contains(c.Got, "ED448") {
		t.Errorf("ED448: %s: %s", c.Status, c.Got)
	}
}

func zoneChecks(t *testing.T, f Facts) map[string]plan.Check {
	t.Helper()
	found := map[string]plan.Check{}
	for _, checker := range Checks(f) {
		if checker.IDs[0] == "dns.zone" {
			checks := plan.RunChecks(t.Context(), []plan.Checker{checker})
			wellFormed(t, []plan.Checker{checker}, checks)
			for _, c := range checks {
				found[c.ID] = c
			}
		}
	}

	return found
}

func TestZoneServed(t *testing.T) {
	first := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone})
	later := zonetest.Serve(t, map[string]string{zonetest.Zone: strings.Replace(zonetest.GoodZone,
		"hostmaster 1 ", "hostmaster 2 ", 1)})

	moved := zonetest.Serve(t, map[string]string{zonetest.Zone: strings.Replace(zonetest.GoodZone,
		"MX 10 mail", "MX 20 mail", 1)})

	lame := zonetest.Serve(t, map[string]string{"elsewhere.example.": zonetest.GoodReverse})
	gone := zonetest.Start(t, func(c *authdns.Config) { c.Zones = map[string]string{} })
	gone.Close()

	for name, test := range map[string]struct {
		servers []string
		status  plan.Status
		want    string
	}{
		"alike":         {[]string{first, first}, plan.Pass, "2 of them, with serial 1"},
		"another state": {[]string{first, later}, plan.Warn, "serials differ: 1 at " + first + "; 2 at " + later},
		"lame":          {[]string{first, lame}, plan.Fail, lame + " answers, but does not hold the zone"},
		"one is gone":   {[]string{first, gone.Addr()}, plan.Warn, "not all answer"},
		"all are gone":  {[]string{gone.Addr()}, plan.Fail, "none answers: name server " + gone.Addr()},
		"not alike":     {[]string{first, moved}, plan.Fail, "nomeazienda.it MX is 10 mail.nomeazienda.it. at " + first + ", and 20 mail.nomeazienda.it. at " + moved},
	} {
		t.Run(name, func(t *testing.T) {
			f := siteFacts(first)
			f.Zones = []string{zonetest.Zone}
			f.Nameservers = map[string][]string{zonetest.Zone: test.servers}

			if c := zoneChecks(t, f)["dns.zone"]; c.Status != test.status ||
				!strings.Contains(c.Got, test.want) {
				t.Errorf("%s: %s, want %s: %s", c.Status, c.Got, test.status, test.want)
			}

			f.Own = []netip.Addr{netip.MustParseAddr("127.0.0.1")} // and nothing can be told of any of them
			if c := zoneChecks(t, f)["dns.zone"]; c.Status != plan.Skip ||
				!strings.Contains(c.Got, "own public address") {
				t.Errorf("at the own address: %s: %s", c.Status, c.Got)
			}
		})
	}
}
