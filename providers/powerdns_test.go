package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/servertest"
)

const powerdnsKey = "the-api-key-of-the-tests"

const powerdnsConfig = `launch=gsqlite3
gsqlite3-database=%[1]s/db
gsqlite3-dnssec=yes
socket-dir=%[1]s
local-address=127.0.0.1
local-port=%[2]d
guardian=no
daemon=no
disable-syslog=yes
loglevel=3
webserver=yes
webserver-address=127.0.0.1
webserver-port=%[3]d
api=yes
api-key=%[4]s
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
allow-axfr-ips=
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
`

// powerdns is a real server with its database in a temporary directory.
type powerdns struct {
	addr, url string
	next      atomic.Int32
}

func startPowerDNS(t *testing.T) *powerdns {
	t.Helper()
	path, sqlite, dir := servertest.Program(t, "pdns_server"), servertest.Program(t, "sqlite3"), t.TempDir()
	schema := "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
	if out, err := exec.Command(sqlite, "-bail", filepath.Join(dir, "db"), ".read "+schema).CombinedOutput(); err != nil {
		t.Fatalf("the database of PowerDNS: %v %s", err, out)
	}
	dns, web := servertest.FreePort(t), servertest.FreePort(t)
	servertest.Write(t, filepath.Join(dir, "pdns.conf"), fmt.Sprintf(powerdnsConfig, dir, dns, web, powerdnsKey))
	p := &powerdns{addr: fmt.Sprintf("127.0.0.1:%d", dns), url: fmt.Sprintf("http://127.0.0.1:%d", web)}
	if !servertest.Run(t, p.addr, "", path, "--config-dir="+dir) {
		t.Fatal("PowerDNS did not come up")
	}
	for _, name := range []string{"mailpub", "reader"} {
		p.call(t, "POST", "/tsigkeys", map[string]any{"name": name, "algorithm": "hmac-sha256", "key": testSecret}, nil)
	}
	return p
}

// call speaks to the API as somebody else would.
func (p *powerdns) call(t *testing.T, method, path string, body, result any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+"/api/v1/servers/localhost"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", powerdnsKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("PowerDNS: %s %s: HTTP %d %s %v", method, path, resp.StatusCode, reply, err)
	}
	if result != nil {
		if err := json.Unmarshal(reply, result); err != nil {
			t.Fatal(err)
		}
	}
}

// fresh makes a zone. The keys in transfer may transfer it; "mailpub" may update it.
func (p *powerdns) fresh(t *testing.T, signed bool, transfer ...string) string {
	t.Helper()
	zone := suiteZone(int(p.next.Add(1)))
	p.call(t, "POST", "/zones", map[string]any{"name": zone, "kind": "Native", "dnssec": signed, "soa_edit_api": "INCREASE",
		"master_tsig_key_ids": transfer, "zone": "$ORIGIN " + zone + "\n" + strings.ReplaceAll(zoneText, "IN SOA ns hostmaster 1", "IN SOA ns hostmaster 1")}, nil)
	p.call(t, "POST", "/zones/"+zone+"/metadata", map[string]any{"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": []string{"mailpub"}}, nil)
	return zone
}

type powerdnsDump struct {
	Name, Type string
	TTL        int
	Records    []struct {
		Content  string
		Disabled bool
	}
	Comments []struct{ Content, Account string }
}

func (p *powerdns) dump(t *testing.T, zone string) (out []string) {
	t.Helper()
	var reply struct{ RRsets []powerdnsDump }
	p.call(t, "GET", "/zones/"+zone, nil, &reply)
	for _, s := range reply.RRsets {
		for _, r := range s.Records {
			if s.Type != "SOA" {
				out = append(out, fmt.Sprintf("%s %d %s %s %v %v", s.Name, s.TTL, s.Type, r.Content, r.Disabled, s.Comments))
			}
		}
	}
	slices.Sort(out)
	return out
}

func (p *powerdns) put(t *testing.T, zone string, sets ...providertest.Set) {
	t.Helper()
	var rrsets []map[string]any
	for _, s := range sets {
		name, rrtype, _ := strings.Cut(s.Key.Name, " ")
		rrtype, _, _ = strings.Cut(rrtype, " ")
		records, ttl := []map[string]any{}, 0
		for _, l := range s.Lines {
			r := record{rrset: rrset{name, rrtype}}
			r.data, ttl = plan.SplitRecordLine(l)
			rr, err := r.rr()
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, map[string]any{"content": strings.TrimPrefix(rr.String(), rr.Header().String()), "disabled": false})
		}
		rrsets = append(rrsets, map[string]any{"name": name, "type": rrtype, "ttl": ttl, "changetype": "REPLACE", "records": records})
	}
	p.call(t, "PATCH", "/zones/"+zone, map[string]any{"rrsets": rrsets}, nil)
}

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
				zone := p.fresh(t, signed)
				gate := providertest.NewGate(t, providertest.Before(p.url, nil))
				return &providertest.Harness{
					Zone: zone, Web: gate, Secret: powerdnsKey,
					Open: func(t *testing.T) plan.Driver {
						return openPowerDNSTest(t, p, func(o *Options) { o.Zone, o.HTTPClient = zone, gate.Client() })
					},
					Put:  func(t *testing.T, sets ...providertest.Set) { p.put(t, zone, sets...) },
					Dump: func(t *testing.T) []string { return p.dump(t, zone) },
					// There are no preconditions: the last look is the one right before writing.
					Between: func(_ *testing.T, intrude func()) { gate.BeforeNth(2, gate.Reads, intrude) },
				}
			})
		})
	}
}

// By dynamic updates to the same server.
func TestPowerDNSUpdates(t *testing.T) {
	for _, test := range []struct {
		name     string
		signed   bool
		transfer []string
	}{
		{"with transfer", false, []string{"mailpub", "reader"}},
		{"without transfer", false, []string{"reader"}},
		{"signed", true, []string{"mailpub", "reader"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startPowerDNS(t)
			runUpdates(t, nameServer{p.addr, test.name == "without transfer", func(t *testing.T) string { return p.fresh(t, test.signed, test.transfer...) }})
		})
	}
}

// Comments and disabled records are strangers', and stay whatever becomes of the rest.
func TestPowerDNSKeepsWhatIsNotServed(t *testing.T) {
	p := startPowerDNS(t)
	zone := p.fresh(t, false)
	name := "suite." + zone
	p.call(t, "PATCH", "/zones/"+zone, map[string]any{"rrsets": []any{map[string]any{
		"name": name, "type": "A", "ttl": 600, "changetype": "REPLACE",
		"records":  []any{map[string]any{"content": "192.0.2.66", "disabled": true}, map[string]any{"content": "192.0.2.1", "disabled": false}},
		"comments": []any{map[string]any{"content": "ask Anna first", "account": "anna"}},
	}}}, nil)
	key := plan.DNSKey(name, "A")
	open := func() *Zone { return openPowerDNSTest(t, p, func(o *Options) { o.Zone = zone }) }
	for _, c := range []change{
		{key, []string{"192.0.2.1 ttl 600"}, []string{"192.0.2.2 ttl 600"}},
		{key, []string{"192.0.2.2 ttl 600"}, nil},
		{key, nil, []string{"192.0.2.3 ttl 600"}},
	} {
		if err := applyAll(t, open(), c); err != nil {
			t.Fatal(err)
		}
		if dump := strings.Join(p.dump(t, zone), "\n"); !strings.Contains(dump, name+" 600 A 192.0.2.66 true [{ask Anna first anna}]") {
			t.Errorf("after %q the zone holds\n%s", c.after, dump)
		}
	}
}

func TestPowerDNSErrors(t *testing.T) {
	p := startPowerDNS(t)
	zone := p.fresh(t, false)
	p.call(t, "POST", "/zones", map[string]any{"name": "second.example.", "kind": "Slave", "masters": []string{"127.0.0.1"}}, nil)
	tests := []struct {
		name, zone string
		set        [2]string
		want       string
	}{
		{"another key", zone, [2]string{"key", "wrong-key"}, `HTTP 401: Unauthorized; setting "key" must be the server's api-key`},
		{"a zone below", "mail." + zone, [2]string{}, fmt.Sprintf("give %q, which holds it", strings.TrimSuffix(zone, "."))},
		{"a slip of the pen", "z91.example.", [2]string{}, "did you mean"},
		{"no zone like it", "nomeazienda.it.", [2]string{}, "the server has no zone nomeazienda.it"},
		{"another server id", zone, [2]string{"server_id", "elsewhere"}, "check url and server_id"},
		{"a secondary", "second.example.", [2]string{}, "give its primary server"},
		{"nobody listens", zone, [2]string{"url", "http://127.0.0.1:1"}, "connection refused"},
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
			_, err := z.Read(t.Context(), []plan.Key{plan.DNSKey("x."+test.zone, "A")})
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
	zone := p.fresh(t, false)
	before := p.dump(t, zone)
	z := openPowerDNSTest(t, p, func(o *Options) { o.Zone = zone })
	fine, beside := rrset{"fine." + zone, "A"}, rrset{"web." + zone, "CNAME"} // where there is an address
	err := z.backend.write(t.Context(), []edit{
		{rrset: fine, after: []record{{rrset: fine, data: "192.0.2.1", ttl: 600}}},
		{rrset: beside, after: []record{{rrset: beside, data: "www.example.net.", ttl: 600}}},
	})
	if err == nil || !strings.Contains(err.Error(), "HTTP 422") {
		t.Errorf("got %v", err)
	}
	if after := p.dump(t, zone); !slices.Equal(before, after) {
		t.Errorf("before %q\nafter %q", before, after)
	}
}

// A classless reverse zone has a slash in its name (RFC 2317 section 4).
func TestPowerDNSClasslessReverseZone(t *testing.T) {
	p := startPowerDNS(t)
	const zone = "0/25.2.0.192.in-addr.arpa."
	p.call(t, "POST", "/zones", map[string]any{"name": zone, "kind": "Native", "nameservers": []string{"ns.example.net."}}, nil)
	key := plan.DNSKey("2."+zone, "PTR")
	if err := applyAll(t, openPowerDNSTest(t, p, func(o *Options) { o.Zone = zone }), change{key, nil, []string{"mail.nomeazienda.it. ttl 600"}}); err != nil {
		t.Error(err)
	}
}
