package rfc2136

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// startBIND runs BIND with the zone of the tests and returns its address. transfer is who
// may transfer the zone, in BIND's words.
func startBIND(t *testing.T, transfer string) string {
	t.Helper()
	return servertest.BIND{
		Zones:    map[string]string{strings.TrimSuffix(zonetest.Zone, "."): zonetest.Text},
		Secret:   zonetest.Secret,
		Transfer: transfer,
		Args:     []string{"-n", "1"},
	}.Start(t)
}

// transferred returns the zone of the tests as the server transfers it, without its SOA.
func transferred(t *testing.T, addr string, key authdns.Key) []string {
	t.Helper()
	return transferredZone(t, addr, zonetest.Zone, key)
}

// transferredZone leaves out what the server itself puts in, to sign the zone.
func transferredZone(t *testing.T, addr, zone string, key authdns.Key) []string {
	t.Helper()
	tr := &dns.Transfer{
		TsigSecret:  map[string]string{key.Name: key.Secret},
		ReadTimeout: 10 * time.Second,
	}

	m := new(dns.Msg).SetAxfr(zone)
	m.SetTsig(key.Name, dns.Fqdn(key.Alg), 300, time.Now().Unix())
	envelopes, err := tr.In(m, addr)
	if err != nil {
		t.Fatal(err)
	}

	var out []string
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}

		for _, rr := range e.RR {
			switch rr.Header().Rrtype {
			case dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY, 65534:
			default:
				out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}

	slices.Sort(out)
	return out
}
