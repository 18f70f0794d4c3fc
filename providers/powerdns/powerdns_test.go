package powerdns

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func openPowerDNSTest(t *testing.T, p *servertest.PowerDNS, change func(*zone.Options)) *zone.Zone {
	t.Helper()
	o := zone.Options{Settings: map[string]string{"url": p.Url, "key": servertest.PowerdnsKey}}
	change(&o)
	z, err := zone.Open(Provider(), o)
	if err != nil {
		t.Fatal(err)
	}

	z.Pauses = nil
	return z
}

func TestPowerDNS(t *testing.T) {
	for _, signed := range []bool{false, true} {
		t.Run(fmt.Sprint("signed ", signed), func(t *testing.T) {
			p := servertest.StartPowerDNS(t)
			providertest.Run(t, func(t *testing.T) *providertest.Harness {
				apex := p.Fresh(t, signed)
				gate := providertest.NewGate(t, providertest.Before(p.Url, nil))
				return &providertest.Harness{
					Zone: apex, Web: gate, Secret: servertest.PowerdnsKey,
					Open: func(t *testing.T) plan.Driver {
						return openPowerDNSTest(t, p, func(o *zone.Options) {
							o.Zone, o.HTTPClient = apex, gate.Client()
						})
					},
					Put: func(t *testing.T, sets ...providertest.Set) {
						p.Put(t, apex, sets...)
					},
					Dump: func(t *testing.T) []string { return p.Dump(t, apex) },
					// There are no preconditions: the last look is the one right before writing.
					Between: func(_ *testing.T, intrude func()) {
						gate.BeforeNth(2, gate.Reads, intrude)
					},
				}
			})
		})
	}
}

// Comments and disabled records are strangers', and stay whatever becomes of the rest.
func TestPowerDNSKeepsWhatIsNotServed(t *testing.T) {
	p := servertest.StartPowerDNS(t)
	apex := p.Fresh(t, false)
	name := "suite." + apex
	p.Call(t, "PATCH", "/zones/"+apex, map[string]any{"rrsets": []any{map[string]any{
		"name": name, "type": "A", "ttl": 600, "changetype": "REPLACE",
		"records": []any{map[string]any{"content": "192.0.2.66", "disabled": true},
			map[string]any{"content": "192.0.2.1", "disabled": false}},
		"comments": []any{map[string]any{"content": "ask Anna first", "account": "anna"}},
	}}}, nil)

	key := mail.DNSKey(name, "A")
	open := func() *zone.Zone {
		return openPowerDNSTest(t, p, func(o *zone.Options) { o.Zone = apex })
	}

	for _, c := range []zonetest.Change{
		{Key: key, Before: []string{"192.0.2.1 ttl 600"}, After: []string{"192.0.2.2 ttl 600"}},
		{Key: key, Before: []string{"192.0.2.2 ttl 600"}, After: nil},
		{Key: key, Before: nil, After: []string{"192.0.2.3 ttl 600"}},
	} {
		if err := zonetest.ApplyAll(t, open(), c); err != nil {
			t.Fatal(err)
		}
		if dump := strings.Join(p.Dump(t, apex), "\n"); !strings.Contains(dump,
			name+" 600 A 192.0.2.66 true [{ask Anna first anna}]") {
			t.Errorf("after %q the zone holds\n%s", c.After, dump)
		}
	}
}

func TestPowerDNSErrors(t *testing.T) {
	p := servertest.StartPowerDNS(t)
	apex := p.Fresh(t, false)
	p.Call(t, "POST", "/zones", map[string]any{"name": "second.example.", "kind": "Slave",
		"masters": []string{"127.0.0.1"}}, nil)

	tests := []struct {
		name, zone string
		set        [2]string
		want       string
	}{
		{"another key", apex, [2]string{"key", "wrong-key"}, `HTTP 401: Unauthorized; setting "key" must be the server's api-key`},
		{"a zone below", "mail." + apex, [2]string{}, fmt.Sprintf("give %q, which holds it", strings.TrimSuffix(apex, "."))},
		{"a slip of the pen", "z91.example.", [2]string{}, "did you mean"},
		{"no zone like it", "nomeazienda.it.", [2]string{}, "the server has no zone nomeazienda.it"},
		{"another server id", apex, [2]string{"server_id", "elsewhere"}, "check url and server_id"},
		{"a secondary", "second.example.", [2]string{}, "give its primary server"},
		{"nobody listens", apex, [2]string{"url", "http://127.0.0.1:1"}, "connection refused"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			z := openPowerDNSTest(t, p, func(o *zone.Options) {
				o.Zone = test.zone
				if test.set[0] != "" {
					o.Settings[test.set[0]] = test.set[1]
				}
				o.HTTPClient = &http.Client{Transport: onceOnly{}}
			})

			_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("x."+test.zone, "A")})
			if err == nil || !strings.Contains(err.Error(), test.want) ||
				strings.Contains(err.Error(), "wrong-key") {
				t.Errorf("got %v, want ... %s ...", err, test.want)
			}
		})
	}
}

// onceOnly makes what would be tried again an answer of its own, so that tests need not wait.
type onceOnly struct{}

func (onceOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return &http.Response{
			StatusCode: http.StatusTeapot,
			Header:     http.Header{},
			Body:       io.NopCloser(strings.NewReader(err.Error())),
		}, nil
	}

	return resp, nil
}

// A batch with one change that the server refuses leaves nothing behind.
func TestPowerDNSWritesAllOrNothing(t *testing.T) {
	p := servertest.StartPowerDNS(t)
	apex := p.Fresh(t, false)
	before := p.Dump(t, apex)
	z := openPowerDNSTest(t, p, func(o *zone.Options) { o.Zone = apex })
	fine := record.RRset{Name: "fine." + apex, Type: "A"}
	beside := record.RRset{Name: "web." + apex, Type: "CNAME"} // where there is an address
	err := z.Backend.Write(t.Context(), []zone.Edit{
		{RRset: fine, After: []record.Record{{RRset: fine, Data: "192.0.2.1", TTL: 600}}},
		{RRset: beside, After: []record.Record{{RRset: beside, Data: "www.example.net.", TTL: 600}}},
	})

	if err == nil || !strings.Contains(err.Error(), "HTTP 422") {
		t.Errorf("got %v", err)
	}

	if after := p.Dump(t, apex); !slices.Equal(before, after) {
		t.Errorf("before %q\nafter %q", before, after)
	}
}

// A classless reverse zone has a slash in its name (RFC 2317 section 4).
func TestPowerDNSClasslessReverseZone(t *testing.T) {
	p := servertest.StartPowerDNS(t)
	const reverse = "0/25.2.0.192.in-addr.arpa."
	p.Call(t, "POST", "/zones", map[string]any{"name": reverse, "kind": "Native",
		"nameservers": []string{"ns.example.net."}}, nil)

	key := mail.DNSKey("2."+reverse, "PTR")
	if err := zonetest.ApplyAll(t, openPowerDNSTest(t, p, func(o *zone.Options) {
		o.Zone = reverse
	}), zonetest.Change{
		Key:    key,
		Before: nil,
		After:  []string{"mail.nomeazienda.it. ttl 600"},
	}); err != nil {
		t.Error(err)
	}
}
