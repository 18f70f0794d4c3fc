package rfc2136

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// crookedZone has everything that keeps a record from being seen where it is written, and wildcards
// that records of a name's own silence.
const crookedZone = `$TTL 3600
@ IN SOA ns hostmaster 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
* 600 IN A 2.2.2.80
* 600 IN AAAA 2001:db8::80
*.apps IN CNAME web
web IN A 192.0.2.80
there IN A 192.0.2.81
sub.parent IN A 192.0.2.82
_dmarc IN CNAME policy.vendor.test.
m1._domainkey IN CNAME m1.vendor.test.
child IN NS ns.vendor.test.
_tcp.mail IN DNAME tcp.vendor.test.
`

func crookedWorld(t *testing.T) *resolver.Resolver {
	const head = "@ SOA a. h. 1 1 1 1 300\n@ NS ns.vendor.test.\n"
	w := &servertest.World{Servers: map[string]map[string]string{
		"127.0.0.11": {".": "@ SOA a. h. 1 1 1 1 1\n@ NS a.root.\na.root. A 127.0.0.11\nvendor.test. NS ns.vendor.test.\nns.vendor.test. A 127.0.0.12\nnomeazienda.it. NS ns.nomeazienda.it.\nns.nomeazienda.it. A 127.0.0.13\n"},
		"127.0.0.12": {
			"vendor.test.":          head + "ns A 127.0.0.12\npolicy TXT \"v=DMARC1;p=reject\"\nm1 TXT \"v=DKIM1; p=BBBB\"\n_25.tcp TLSA 3 1 1 00\n",
			"child.nomeazienda.it.": head + "www A 192.0.2.90\n",
		},
		"127.0.0.13": {"nomeazienda.it.": strings.ReplaceAll(crookedZone, "$TTL 3600\n", "")},
	}}

	return &resolver.Resolver{Servers: []string{w.Start(t)}, Timeout: time.Second, Attempts: 1}
}

// planOf compares what is wanted of the zone with what is there, as mailpub plan does.
func planOf(t *testing.T, d plan.Driver, ledger *plan.Ledger, wanted ...plan.Item) *plan.Plan {
	t.Helper()
	p, err := plan.Make(t.Context(), []plan.Party{{Target: mail.ZoneTarget(zonetest.Zone), Driver: d, Wanted: wanted}},
		ledger, time.Now())

	if err != nil {
		t.Fatal(err)
	}

	for i, c := range p.Changes {
		if why := d.(*zone.Zone).RefusesChange(c); c.Writes() && why != "" {
			p.Changes[i].Action = plan.Manual
			p.Changes[i].Reason = why
		}
	}

	return p
}

func wantedText(name, text string) plan.Item {
	return wantedData(name, "TXT",
		mail.TextData(text))
}

func wantedData(name, rrtype, data string) plan.Item {
	return plan.Item{
		Key:   mail.DNSKey(name+"."+zonetest.Zone, rrtype),
		Lines: []string{data + " ttl 3600"},
		Stage: plan.StageRecord,
		Fit:   mail.Fit(rrtype, false),
	}
}

// What a record depends on is in the plan, and is not found out by writing it.
func TestPlanShowsEffects(t *testing.T) {
	world := crookedWorld(t)
	s := zonetest.Start(t, func(c *authdns.Config) {
		c.Zones = map[string]string{zonetest.Zone: crookedZone}
	})

	z := openTest(t, s.Addr(), func(o *zone.Options) { o.Resolver = world })
	for _, c := range []struct {
		name   string
		wanted plan.Item
		want   string // changes, "ACTION NAME: REASON"
	}{
		{"an alias that leads to the same", wantedText("_dmarc", "v=DMARC1; p=reject"), ""},
		{"an alias that leads elsewhere", wantedText("m1._domainkey", "v=DKIM1; p=AAAA"), "manual m1._domainkey TXT: is an alias of m1.vendor.test"},
		{"below a delegation", wantedData("mail.child", "A", "2.2.2.2"), "manual mail.child A: is in zone child.nomeazienda.it, which is delegated to ns.vendor.test"},
		{"the same below it", wantedData("www.child", "A", "192.0.2.90"), ""},
		{"below a DNAME", wantedData("_143._tcp.mail", "TLSA", "3 1 1 00"), "manual _143._tcp.mail TLSA: is below _tcp.mail.nomeazienda.it, an alias of tcp.vendor.test as a whole"},
		{"a name that a wildcard answers for", wantedData("www", "MX", "0 ."), "create www A: only the wildcard *.nomeazienda.it gave\ncreate www AAAA: only the wildcard\ncreate www MX: "},
		{"its address", wantedData("www", "A", "2.2.2.2"), "create www A: "},
		{"a name below one that a wildcard answers for", wantedData("a.b", "A", "2.2.2.2"), "create b A: only the wildcard\ncreate b AAAA: \ncreate a.b A: "},
		{"a name that is there", wantedData("there", "MX", "0 ."), "create there MX: "},
		{"a name that others are below", wantedData("parent", "MX", "0 ."), "create parent MX: "},
		{"a name for services", wantedData("_x._tcp.there", "SRV", "0 0 1 there.nomeazienda.it."), "create _x._tcp.there SRV: "},
		{"a wildcard that is an alias", wantedData("shop.apps", "MX", "0 ."), "manual shop.apps MX: only the wildcard *.apps.nomeazienda.it, an alias of web"},
		{"another name below where it stands", wantedData("apps", "MX", "0 ."), "create apps MX: "},
	} {
		var got []string
		for _, change := range planOf(t, z, plan.NewLedger("s"), c.wanted).Changes {
			name, rrtype, _, _ := mail.SplitDNSKey(change.Key)
			got = append(got, fmt.Sprintf("%s %s %s: %s", change.Action,
				strings.TrimSuffix(name, "."+zonetest.Zone), rrtype, change.Reason))
		}

		want := strings.Split(c.want, "\n")
		if c.want == "" {
			want = nil
		}

		fits := len(got) == len(want)
		for i := range got {
			if fits {
				head, reason, _ := strings.Cut(want[i], ": ")
				fits = strings.HasPrefix(got[i], head+": ") && strings.Contains(got[i], reason)
			}
		}

		if !fits {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), c.want)
		}
	}
}

type noStore struct{}

func (noStore) Save(*plan.Ledger) error { return nil }

// A name under a wildcard keeps its address when mailpub writes there, the next plan is empty, it
// follows the wildcard, and in the end it is the wildcard's again.
func TestWildcardIsKept(t *testing.T) {
	for _, server := range []string{"embedded", "BIND"} {
		t.Run(server, func(t *testing.T) {
			addr := ""
			if server == "BIND" {
				addr = servertest.BIND{
					Zones:    map[string]string{"nomeazienda.it": crookedZone},
					Secret:   zonetest.Secret,
					Transfer: "any;",
					Args:     []string{"-n", "1"},
				}.Start(t)
			} else {
				addr = zonetest.Start(t, func(c *authdns.Config) {
					c.Zones = map[string]string{zonetest.Zone: crookedZone}
				}).Addr()
			}

			z := openTest(t, addr, nil)
			ledger := plan.NewLedger("s")
			parties := []plan.Party{{Target: mail.ZoneTarget(zonetest.Zone), Driver: z}}
			wanted := []plan.Item{wantedData("www", "MX", "0 ."),
				{Key: mail.TaggedTXT("www."+zonetest.Zone, "v=spf1"), Lines: []string{`"v=spf1 -all"`}, Stage: plan.StageRecord}}

			apply := func(wanted []plan.Item) {
				t.Helper()
				p := planOf(t, z, ledger, wanted...)
				if err := plan.Apply(t.Context(), p, parties, ledger, noStore{},
					plan.Options{}); err != nil {
					t.Fatal(err)
				}

				if rest := planOf(t, z, ledger, wanted...); len(rest.Changes) > 0 {
					t.Errorf("the next plan has %+v", rest.Changes)
				}
			}

			sees := func(name, rrtype, want string) {
				t.Helper()
				a, err := (&resolver.Resolver{}).Ask(t.Context(), addr, name+"."+zonetest.Zone,
					rrtype)
				if got := strings.Join(a.Data(), " "); err != nil || got != want {
					t.Errorf("%s %s: %q, %v, want %q", name, rrtype, got, err, want)
				}
			}

			sees("www", "A", "2.2.2.80")
			apply(wanted)
			sees("www", "A", "2.2.2.80")
			sees("www", "AAAA", "2001:db8::80")
			sees("www", "MX", "0 .")
			zonetest.Foreign(t, addr, mail.DNSKey("*."+zonetest.Zone, "A"),
				[]string{"2.2.2.81 ttl 600"})

			apply(wanted)
			sees("www", "A", "2.2.2.81")
			apply(nil)
			sees("www", "A", "2.2.2.81")
			sees("www", "MX", "")

			if n := ledger.Len(); n != 0 {
				t.Errorf("%d entries are left in the ledger", n)
			}
		})
	}
}

// Where a zone can't be transferred, a delegation shows in the answers.
func TestDelegationWithoutTransfer(t *testing.T) {
	addr := servertest.BIND{
		Zones:    map[string]string{"nomeazienda.it": crookedZone},
		Secret:   zonetest.Secret,
		Transfer: "none;",
		Args:     []string{"-n", "1"},
	}.Start(t)

	world := crookedWorld(t)
	z := openTest(t, addr, func(o *zone.Options) { o.Resolver = world })
	items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("www.child."+zonetest.Zone, "A")})
	if err != nil || len(items) != 1 || !strings.Contains(items[0].Fixed,
		"delegated to ns.vendor.test") || !slices.Equal(items[0].Lines,
		[]string{"192.0.2.90"}) {
		t.Errorf("%+v %v", items, err)
	}
}
