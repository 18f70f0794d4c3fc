package providers

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
)

func openPowerDNSTest(t *testing.T, p *powerdns, change func(*Options)) *Zone {
	t.Helper()
	o := Options{Settings: map[string]string{"url": p.url, "key": powerdnsKey}}
	change(&o)
	z, err := openZone(powerdnsProvider(), o)
	if err != nil {
		t.Fatal(err)
	}
	z.pauses = nil
	return z
}

func TestPowerDNS(t *testing.T) {
	for _, signed := range []bool{false, true} {
		t.Run(fmt.Sprint("signed ", signed), func(t *testing.T) {
			p := startPowerDNS(t)
			providertest.Run(t, func(t *testing.T) *providertest.Harness {
				apex := p.fresh(t, signed)
				gate := providertest.NewGate(t, providertest.Before(p.url, nil))
				return &providertest.Harness{
					Zone: apex, Web: gate, Secret: powerdnsKey,
					Open: func(t *testing.T) plan.Driver {
						return openPowerDNSTest(t, p, func(o *Options) { o.Zone, o.HTTPClient = apex, gate.Client() })
					},
					Put:  func(t *testing.T, sets ...providertest.Set) { p.put(t, apex, sets...) },
					Dump: func(t *testing.T) []string { return p.dump(t, apex) },
					// There are no preconditions: the last look is the one right before writing.
					Between: func(_ *testing.T, intrude func()) { gate.BeforeNth(2, gate.Reads, intrude) },
				}
			})
		})
	}
}

// Comments and disabled records are strangers', and stay whatever becomes of the rest.
func TestPowerDNSKeepsWhatIsNotServed(t *testing.T) {
	p := startPowerDNS(t)
	apex := p.fresh(t, false)
	name := "suite." + apex
	p.call(t, "PATCH", "/zones/"+apex, map[string]any{"rrsets": []any{map[string]any{
		"name": name, "type": "A", "ttl": 600, "changetype": "REPLACE",
		"records":  []any{map[string]any{"content": "192.0.2.66", "disabled": true}, map[string]any{"content": "192.0.2.1", "disabled": false}},
		"comments": []any{map[string]any{"content": "ask Anna first", "account": "anna"}},
	}}}, nil)
	key := mail.DNSKey(name, "A")
	open := func() *Zone { return openPowerDNSTest(t, p, func(o *Options) { o.Zone = apex }) }
	for _, c := range []change{
		{key, []string{"192.0.2.1 ttl 600"}, []string{"192.0.2.2 ttl 600"}},
		{key, []string{"192.0.2.2 ttl 600"}, nil},
		{key, nil, []string{"192.0.2.3 ttl 600"}},
	} {
		if err := applyAll(t, open(), c); err != nil {
			t.Fatal(err)
		}
		if dump := strings.Join(p.dump(t, apex), "\n"); !strings.Contains(dump, name+" 600 A 192.0.2.66 true [{ask Anna first anna}]") {
			t.Errorf("after %q the zone holds\n%s", c.after, dump)
		}
	}
}

func TestPowerDNSErrors(t *testing.T) {
	p := startPowerDNS(t)
	apex := p.fresh(t, false)
	p.call(t, "POST", "/zones", map[string]any{"name": "second.example.", "kind": "Slave", "masters": []string{"127.0.0.1"}}, nil)
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
			z := openPowerDNSTest(t, p, func(o *Options) {
				o.Zone = test.zone
				if test.set[0] != "" {
					o.Settings[test.set[0]] = test.set[1]
				}
				o.HTTPClient = &http.Client{Transport: onceOnly{}}
			})
			_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("x."+test.zone, "A")})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "wrong-key") {
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
		return &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(err.Error()))}, nil
	}
	return resp, nil
}

// A batch with one change that the server refuses leaves nothing behind.
func TestPowerDNSWritesAllOrNothing(t *testing.T) {
	p := startPowerDNS(t)
	apex := p.fresh(t, false)
	before := p.dump(t, apex)
	z := openPowerDNSTest(t, p, func(o *Options) { o.Zone = apex })
	fine, beside := rrset{"fine." + apex, "A"}, rrset{"web." + apex, "CNAME"} // where there is an address
	err := z.backend.write(t.Context(), []edit{
		{rrset: fine, after: []record{{rrset: fine, data: "192.0.2.1", ttl: 600}}},
		{rrset: beside, after: []record{{rrset: beside, data: "www.example.net.", ttl: 600}}},
	})
	if err == nil || !strings.Contains(err.Error(), "HTTP 422") {
		t.Errorf("got %v", err)
	}
	if after := p.dump(t, apex); !slices.Equal(before, after) {
		t.Errorf("before %q\nafter %q", before, after)
	}
}

// A classless reverse zone has a slash in its name (RFC 2317 section 4).
func TestPowerDNSClasslessReverseZone(t *testing.T) {
	p := startPowerDNS(t)
	const reverse = "0/25.2.0.192.in-addr.arpa."
	p.call(t, "POST", "/zones", map[string]any{"name": reverse, "kind": "Native", "nameservers": []string{"ns.example.net."}}, nil)
	key := mail.DNSKey("2."+reverse, "PTR")
	if err := applyAll(t, openPowerDNSTest(t, p, func(o *Options) { o.Zone = reverse }), change{key, nil, []string{"mail.nomeazienda.it. ttl 600"}}); err != nil {
		t.Error(err)
	}
}
