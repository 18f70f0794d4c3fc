package providers

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
	"github.com/mailpub/mailpub/providers/servertest"
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
		return suiteZone(i)
	}
}

// runUpdates runs the suite by dynamic updates. The key "reader." may transfer zones.
func runUpdates(t *testing.T, s nameServer) {
	name := s.fresh(t)
	first := openTest(t, s.addr, func(o *Options) { o.Zone = name })
	if _, err := first.Read(t.Context(), []plan.Key{mail.DNSKey(name, "MX")}); err != nil {
		t.Fatal(err)
	}
	if asks := first.backend.(*rfc2136Backend).oneByOne; asks != s.refuses {
		t.Fatalf("the driver asks one by one: %v; the server refuses transfers: %v", asks, s.refuses)
	}
	reader := testKey()
	reader.Name = "reader."
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		name := s.fresh(t)
		open := func(t *testing.T) *Zone { return openTest(t, s.addr, func(o *Options) { o.Zone = name }) }
		h := &providertest.Harness{
			Zone: name, Secret: testSecret,
			Open: func(t *testing.T) plan.Driver { return open(t) },
			Put: func(t *testing.T, sets ...providertest.Set) {
				for len(sets) > 0 {
					n := min(len(sets), 400)
					update(t, s.addr, strangersUpdate(t, name, sets[:n]))
					sets = sets[n:]
				}
			},
			Dump: func(t *testing.T) []string { return transferredZone(t, s.addr, name, reader) },
		}
		h.Between = func(t *testing.T, intrude func()) {
			before := h.Open
			h.Open = func(t *testing.T) plan.Driver {
				h.Open = before
				z := open(t)
				z.backend = &intruded{backend: z.backend, intrude: intrude}
				return z
			}
		}
		return h
	})
}

// intruded lets somebody in right before the first write.
type intruded struct {
	backend
	intrude func()
}

func (b *intruded) write(ctx context.Context, edits []edit) error {
	if b.intrude != nil {
		b.intrude()
		b.intrude = nil
	}
	return b.backend.write(ctx, edits)
}

// strangersUpdate replaces whole RRsets, without prerequisites.
func strangersUpdate(t *testing.T, name string, sets []providertest.Set) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetUpdate(name)
	for _, s := range sets {
		f := strings.Fields(s.Key.Name)
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: f[0], Rrtype: dns.StringToType[f[1]]}}})
		for _, l := range s.Lines {
			data, ttl := mail.SplitRecordLine(l)
			rr, err := record{rrset: rrset{f[0], f[1]}, data: data, ttl: ttl}.rr()
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
			s := startDNS(t, func(c *authdns.Config) {
				c.NoTransfer = !transfer
				c.Zones = map[string]string{}
				for i := range suiteZones {
					c.Zones[suiteZone(i)] = zoneText
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
			Zone: name, Secret: testSecret,
			Open: func(t *testing.T) plan.Driver {
				return openTest(t, s.Addr(), func(o *Options) { o.Zone = name })
			},
			Put: func(t *testing.T, sets ...providertest.Set) {
				for len(sets) > 0 {
					n := min(len(sets), 400)
					update(t, s.Addr(), strangersUpdate(t, name, sets[:n]))
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
			runUpdates(t, nameServer{startBINDZones(t, test.transfer, test.signing), test.name == "without transfer", takeZones()})
		})
	}
}

func startBINDZones(t *testing.T, transfer, signing string) string {
	t.Helper()
	zones := map[string]string{}
	for i := range suiteZones {
		zones[strings.TrimSuffix(suiteZone(i), ".")] = zoneText
	}
	return servertest.BIND{Zones: zones, Secret: testSecret, Transfer: transfer, Signing: signing, Args: []string{"-n", "1"}}.Start(t)
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
			path, dir, port := servertest.Program(t, "knotd"), t.TempDir(), servertest.FreePort(t)
			conf := fmt.Sprintf(knotConfig, dir, port, testSecret, test.may, test.signing)
			for i := range suiteZones {
				zone := suiteZone(i)
				servertest.Write(t, filepath.Join(dir, zone+"zone"), zoneText)
				conf += fmt.Sprintf("  - domain: %s\n    file: %szone\n", zone, zone)
			}
			servertest.Write(t, filepath.Join(dir, "knot.conf"), conf)
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			if !servertest.Run(t, addr, suiteZone(suiteZones-1), path, "-c", filepath.Join(dir, "knot.conf")) {
				t.Fatal("Knot did not come up")
			}
			runUpdates(t, nameServer{addr, test.name == "without transfer", takeZones()})
		})
	}
}
