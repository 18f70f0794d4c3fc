package rfc2136

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// nameServer is a server that takes updates for many zones, all alike at the start.
type nameServer struct {
	addr    string
	refuses bool                      // to let the driver's key transfer zones
	fresh   func(t *testing.T) string // returns a zone that nobody has touched
}

// suiteZones is how many zones a server has: more than the suite has tests.
const suiteZones = 60

// takeZones hands out the zones of a server one by one.
func takeZones() func(*testing.T) string {
	var next atomic.Int32
	return func(t *testing.T) string {
		i := int(next.Add(1)) - 1
		if i == suiteZones {
			t.Fatal("the suite has more tests than the server has zones")
		}
		return zonetest.SuiteZone(i)
	}
}

// runUpdates runs the suite by dynamic updates. The key "reader." may transfer zones.
func runUpdates(t *testing.T, s nameServer) {
	name := s.fresh(t)
	first := openTest(t, s.addr, func(o *zone.Options) { o.Zone = name })
	if _, err := first.Read(t.Context(), []plan.Key{mail.DNSKey(name, "MX")}); err != nil {
		t.Fatal(err)
	}

	if asks := first.Backend.(*backend).oneByOne; asks != s.refuses {
		t.Fatalf("the driver asks one by one: %v; the server refuses transfers: %v", asks,
			s.refuses)
	}

	reader := zonetest.Key()
	reader.Name = "reader."
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		name := s.fresh(t)
		open := func(t *testing.T) *zone.Zone {
			return openTest(t, s.addr, func(o *zone.Options) { o.Zone = name })
		}

		h := &providertest.Harness{
			Zone:   name,
			Secret: zonetest.Secret,
			Open:   func(t *testing.T) plan.Driver { return open(t) },
			Put: func(t *testing.T, sets ...providertest.Set) {
				for len(sets) > 0 {
					n := min(len(sets), 400)
					zonetest.Update(t, s.addr, strangersUpdate(t, name, sets[:n]))
					sets = sets[n:]
				}
			},
			Dump: func(t *testing.T) []string {
				return transferredZone(t, s.addr, name, reader)
			},
		}

		h.Between = func(t *testing.T, intrude func()) {
			before := h.Open
			h.Open = func(t *testing.T) plan.Driver {
				h.Open = before
				z := open(t)
				z.Backend = &intruded{Backend: z.Backend, intrude: intrude}
				return z
			}
		}

		return h
	})
}

// intruded lets somebody in right before the first write.
type intruded struct {
	zone.Backend
	intrude func()
}

func (b *intruded) Write(ctx context.Context, edits []zone.Edit) error {
	if b.intrude != nil {
		b.intrude()
		b.intrude = nil
	}
	return b.Backend.Write(ctx, edits)
}

// strangersUpdate replaces whole RRsets, without prerequisites.
func strangersUpdate(t *testing.T, name string, sets []providertest.Set) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetUpdate(name)
	for _, s := range sets {
		f := strings.Fields(s.Key.Name)
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: f[0],
			Rrtype: dns.StringToType[f[1]]}}})

		for _, l := range s.Lines {
			data, ttl := mail.SplitRecordLine(l)
			rr, err := record.Record{
				RRset: record.RRset{
					Name: f[0],
					Type: f[1],
				},
				Data: data,
				TTL:  ttl,
			}.RR()

			if err != nil {
				t.Fatal(err)
			}

			m.Insert([]dns.RR{rr})
		}
	}

	return m
}

func TestEmbedded(t *testing.T) {
	for _, transfer := range []bool{true, false} {
		t.Run(fmt.Sprint("transfer ", transfer), func(t *testing.T) {
			s := zonetest.Start(t, func(c *authdns.Config) {
				c.NoTransfer = !transfer
				c.Zones = map[string]string{}
				for i := range suiteZones {
					c.Zones[zonetest.SuiteZone(i)] = zonetest.Text
				}
			})

			runEmbedded(t, s)
		})
	}
}

// runEmbedded takes dumps from the server itself, which may refuse transfers to all.
func runEmbedded(t *testing.T, s *authdns.Server) {
	fresh := takeZones()
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		name := fresh(t)
		return &providertest.Harness{
			Zone:   name,
			Secret: zonetest.Secret,
			Open: func(t *testing.T) plan.Driver {
				return openTest(t, s.Addr(), func(o *zone.Options) { o.Zone = name })
			},
			Put: func(t *testing.T, sets ...providertest.Set) {
				for len(sets) > 0 {
					n := min(len(sets), 400)
					zonetest.Update(t, s.Addr(), strangersUpdate(t, name, sets[:n]))
					sets = sets[n:]
				}
			},
			Dump: func(*testing.T) []string { return s.Dump(name) },
		}
	})
}

func TestBIND(t *testing.T) {
	for _, test := range []struct{ name, transfer, signing string }{
		{"with transfer", `key "mailpub."; key "reader.";`, ""},
		{"without transfer", `key "reader.";`, ""},
		{"signed", `key "mailpub."; key "reader.";`, "dnssec-policy default; inline-signing no;"},
	} {
		t.Run(test.name, func(t *testing.T) {
			runUpdates(t, nameServer{startBINDZones(t, test.transfer, test.signing),
				test.name == "without transfer", takeZones()})
		})
	}
}

func startBINDZones(t *testing.T, transfer, signing string) string {
	t.Helper()
	zones := map[string]string{}
	for i := range suiteZones {
		zones[strings.TrimSuffix(zonetest.SuiteZone(i), ".")] = zonetest.Text
	}

	return servertest.BIND{
		Zones:    zones,
		Secret:   zonetest.Secret,
		Transfer: transfer,
		Signing:  signing,
		Args:     []string{"-n", "1"},
	}.Start(t)
}

const knotConfig = `
server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]d
log:
  - target: stderr
    any: warning
database:
    storage: %[1]q
key:
  - id: mailpub.
    algorithm: hmac-sha256
    secret: %[3]q
  - id: reader.
    algorithm: hmac-sha256
    secret: %[3]q
acl:
  - id: write
    key: mailpub.
    action: [%[4]s]
  - id: read
    key: reader.
    action: [transfer]
template:
  - id: default
    storage: %[1]q
    acl: [write, read]
    dnssec-signing: %[5]s
zone:
`

func TestKnot(t *testing.T) {
	for _, test := range []struct{ name, may, signing string }{
		{"with transfer", "update, transfer", "off"},
		{"without transfer", "update", "off"},
		{"signed", "update, transfer", "on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := servertest.Program(t, "knotd")
			dir := t.TempDir()
			port := servertest.FreePort(t)
			conf := fmt.Sprintf(knotConfig, dir, port, zonetest.Secret, test.may, test.signing)

			for i := range suiteZones {
				zone := zonetest.SuiteZone(i)
				servertest.Write(t, filepath.Join(dir, zone+"zone"), zonetest.Text)
				conf += fmt.Sprintf("  - domain: %s\n    file: %szone\n", zone, zone)
			}

			servertest.Write(t, filepath.Join(dir, "knot.conf"), conf)
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			if !servertest.Run(t, addr, zonetest.SuiteZone(suiteZones-1), path, "-c",
				filepath.Join(dir, "knot.conf")) {
				t.Fatal("Knot did not come up")
			}

			runUpdates(t, nameServer{addr, test.name == "without transfer", takeZones()})
		})
	}
}
