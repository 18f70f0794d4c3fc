package servertest

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

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zonetest"
)

const PowerdnsKey = "the-api-key-of-the-tests"

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

// PowerDNS is a real server with its database in a temporary directory.
type PowerDNS struct {
	Addr, Url string
	next      atomic.Int32
}

func StartPowerDNS(t *testing.T) *PowerDNS {
	t.Helper()
	path := Program(t, "pdns_server")
	sqlite := Program(t, "sqlite3")
	dir := t.TempDir()
	schema := "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
	if out, err := exec.Command(sqlite, "-bail", filepath.Join(dir, "db"),
		".read "+schema).CombinedOutput(); err != nil {
		t.Fatalf("the database of PowerDNS: %v %s", err, out)
	}

	dns := FreePort(t)
	web := FreePort(t)
	Write(t, filepath.Join(dir, "pdns.conf"),
		fmt.Sprintf(powerdnsConfig, dir, dns, web, PowerdnsKey))

	p := &PowerDNS{
		Addr: fmt.Sprintf("127.0.0.1:%d", dns),
		Url:  fmt.Sprintf("http://127.0.0.1:%d", web),
	}

	if !Run(t, p.Addr, "", path, "--config-dir="+dir) {
		t.Fatal("PowerDNS did not come up")
	}

	for _, name := range []string{"mailpub", "reader"} {
		p.Call(t, "POST", "/tsigkeys", map[string]any{"name": name, "algorithm": "hmac-sha256",
			"key": zonetest.Secret}, nil)
	}

	return p
}

// Call speaks to the API as somebody else would.
func (p *PowerDNS) Call(t *testing.T, method, path string, body, result any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}

	req, err := http.NewRequestWithContext(t.Context(), method,
		p.Url+"/api/v1/servers/localhost"+path, bytes.NewReader(text))

	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("X-API-Key", PowerdnsKey)
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

// Fresh makes a zone. The keys in transfer may transfer it; "mailpub" may update it.
func (p *PowerDNS) Fresh(t *testing.T, signed bool, transfer ...string) string {
	t.Helper()
	zone := zonetest.SuiteZone(int(p.next.Add(1)))
	p.Call(t, "POST", "/zones", map[string]any{"name": zone, "kind": "Native",
		"dnssec": signed, "soa_edit_api": "INCREASE",
		"master_tsig_key_ids": transfer, "zone": "$ORIGIN " + zone + "\n" +
			strings.ReplaceAll(zonetest.Text, "IN SOA ns hostmaster 1",
				"IN SOA ns hostmaster 1")},
		nil)

	p.Call(t, "POST", "/zones/"+zone+"/metadata",
		map[string]any{"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": []string{"mailpub"}}, nil)

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

func (p *PowerDNS) Dump(t *testing.T, zone string) (out []string) {
	t.Helper()
	var reply struct{ RRsets []powerdnsDump }
	p.Call(t, "GET", "/zones/"+zone, nil, &reply)

	for _, s := range reply.RRsets {
		for _, r := range s.Records {
			if s.Type != "SOA" {
				out = append(out, fmt.Sprintf("%s %d %s %s %v %v", s.Name, s.TTL, s.Type,
					r.Content, r.Disabled, s.Comments))
			}
		}
	}

	slices.Sort(out)
	return out
}

func (p *PowerDNS) Put(t *testing.T, zone string, sets ...providertest.Set) {
	t.Helper()
	var rrsets []map[string]any
	for _, s := range sets {
		name, rrtype, _ := strings.Cut(s.Key.Name, " ")
		rrtype, _, _ = strings.Cut(rrtype, " ")
		records := []map[string]any{}
		ttl := 0

		for _, l := range s.Lines {
			r := record.Record{RRset: record.RRset{Name: name, Type: rrtype}}
			r.Data, ttl = mail.SplitRecordLine(l)
			rr, err := r.RR()
			if err != nil {
				t.Fatal(err)
			}

			records = append(records, map[string]any{"content": strings.TrimPrefix(rr.String(),
				rr.Header().String()), "disabled": false})
		}

		rrsets = append(rrsets, map[string]any{"name": name, "type": rrtype, "ttl": ttl,
			"changetype": "REPLACE", "records": records})
	}

	p.Call(t, "PATCH", "/zones/"+zone, map[string]any{"rrsets": rrsets}, nil)
}
