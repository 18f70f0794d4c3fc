package resolver

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/servertest"
)

// The sweep: as many domains, as many questions about each, so many at a time.
const (
	sweepDomains = 10_000
	sweepAtOnce  = 64
)

// asking is what verify asks about a domain.
type asking struct {
	prefix, rrtype string
}

func sweepQuestions() []asking {
	return []asking{{"", "MX"}, {"", "TXT"}, {"mail.", "A"}, {"mail.", "AAAA"},
		{"_dmarc.", "TXT"}, {"_mta-sts.", "TXT"}, {"_smtp._tls.", "TXT"},
		{"_25._tcp.mail.", "TLSA"}}
}

func sweepDomain(i int) string { return fmt.Sprintf("d%05d.example.", i) }

// startSweep runs Knot with the domains, all in one zone.
func startSweep(b *testing.B) (addr string) {
	b.Helper()
	var zone strings.Builder
	zone.WriteString("$TTL 3600\n@ IN SOA ns h 1 3600 600 86400 300\n@ IN NS ns\nns IN A 127.0.0.1\n")

	for i := range sweepDomains {
		d := strings.TrimSuffix(sweepDomain(i), ".example.")
		fmt.Fprintf(&zone, "%[1]s MX 10 mail.%[1]s\n%[1]s TXT \"v=spf1 mx ip4:2.2.2.2 -all\"\nmail.%[1]s A 2.2.2.2\n_dmarc.%[1]s TXT \"v=DMARC1; p=reject\"\n_smtp._tls.%[1]s TXT \"v=TLSRPTv1; rua=mailto:x@example\"\n", d)
	}

	path := servertest.Program(b, "knotd")
	dir := b.TempDir()
	port := servertest.FreePort(b)
	servertest.Write(b, filepath.Join(dir, "zone"), zone.String())
	servertest.Write(b, filepath.Join(dir, "knot.conf"),
		fmt.Sprintf("server:\n  rundir: %q\n  listen: 127.0.0.1@%d\ndatabase:\n  storage: %[1]q\nzone:\n  - domain: example\n    file: %[3]q\n",
			dir, port, filepath.Join(dir, "zone")))

	addr = fmt.Sprintf("127.0.0.1:%d", port)
	if !servertest.Run(b, addr, "example", path, "-c", filepath.Join(dir, "knot.conf")) {
		b.Fatal("Knot did not come up")
	}

	return addr
}

// sweep has so many workers ask every question, and returns how many were answered in a second.
// worker returns what asks, one for each worker.
func sweep(b *testing.B, worker func() func(name, rrtype string) error) (rate float64) {
	b.Helper()
	var next, lost atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()

	for range sweepAtOnce {
		ask := worker()
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= sweepDomains {
					return
				}

				for _, q := range sweepQuestions() {
					if err := ask(q.prefix+sweepDomain(i), q.rrtype); err != nil {
						lost.Add(1)
					}
				}
			}
		})
	}

	wg.Wait()
	took := time.Since(start)
	if n := lost.Load(); n > 0 {
		b.Errorf("%d questions were not answered", n)
	}

	return float64(sweepDomains*len(sweepQuestions())) / took.Seconds()
}

// BenchmarkSweep asks the eight questions about each domain through the Resolver, in turn with a
// client of the DNS library that does no more than send, receive and parse on kept sockets.
func BenchmarkSweep(b *testing.B) {
	addr := startSweep(b)
	var ours, bareRate float64
	resolver := &Resolver{}

	for b.Loop() {
		bareRate += sweep(b, func() func(string, string) error {
			client := new(dns.Client)
			conn, err := client.Dial(addr)
			if err != nil {
				b.Fatal(err)
			}

			b.Cleanup(func() { conn.Close() })
			return func(name, rrtype string) error {
				m := new(dns.Msg).SetQuestion(name, dns.StringToType[rrtype])
				m.SetEdns0(1232, false)
				_, _, err := client.ExchangeWithConn(m, conn)
				return err
			}
		})

		ours += sweep(b, func() func(string, string) error {
			return func(name, rrtype string) error {
				_, err := resolver.Ask(b.Context(), addr, name, rrtype)
				return err
			}
		})
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours/float64(b.N), "questions/s")
	b.ReportMetric(bareRate/float64(b.N), "bare/s")
	b.ReportMetric(ours/bareRate, "of-bare")
}
