package rfc2136

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// readAll reads many zones at once over one pool. No zone may fail, nor do without a transfer.
func readAll(t *testing.T, addr string, zones []string) *Pool {
	t.Helper()
	shared := &zone.Shared{}
	t.Cleanup(shared.Close)
	var wg sync.WaitGroup

	for _, name := range zones {
		wg.Go(func() {
			var log bytes.Buffer
			z := openTest(t, addr, func(o *zone.Options) {
				o.Zone = name
				o.Shared = shared
				o.Logger = slog.New(slog.NewTextHandler(&log,
					&slog.HandlerOptions{Level: slog.LevelDebug}))
			})

			items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("web."+name, "A")})
			if err != nil || len(items) != 1 {
				t.Errorf("%s: %v %v", name, items, err)
			}

			if z.Backend.(*backend).oneByOne {
				t.Errorf("%s was not transferred:\n%s", name, log.String())
			}
		})
	}

	wg.Wait()
	return poolOf(shared)
}

// Many zones at once, on BIND at its default limits and at very small ones: it refuses what is
// too much, and gets it again later.
func TestManyZones(t *testing.T) {
	for _, c := range []struct{ name, options string }{
		{"default limits", ""},
		{"small limits", "transfers-out 2; tcp-clients 8; tcp-listen-queue 3;"},
		{"one at a time", "transfers-out 1;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{}
			zones := []string{}
			for i := range 200 {
				zone := fmt.Sprintf("m%03d.example", i)
				files[zone] = zonetest.Text
				zones = append(zones, zone+".")
			}

			addr := servertest.BIND{
				Zones:    files,
				Secret:   zonetest.Secret,
				Transfer: `key "mailpub.";`,
				Options:  c.options,
			}.Start(t)

			pool := readAll(t, addr, zones)
			s := pool.server(addr)
			t.Logf("%d refusals; at most %d at a time in the end, %d connections", s.refusals,
				s.limit, len(s.idle))

			if len(s.idle) > mostAtOnce {
				t.Errorf("%d connections", len(s.idle))
			}
		})
	}
}

// A server that nobody can reach is waited for once, not once a zone.
func TestUnreachableOnce(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer silent.Close()

	shared := &zone.Shared{}
	var wg sync.WaitGroup
	start := time.Now()

	for i := range 100 {
		wg.Go(func() {
			z := openTest(t, silent.Addr().String(), func(o *zone.Options) {
				o.Zone = fmt.Sprintf("m%d.example", i)
				o.Shared = shared
			})

			z.Backend.(*backend).timeout = time.Second
			_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("a."+z.Name, "A")})
			if err == nil || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("%s: %v", z.Name, err)
			}
		})
	}

	wg.Wait()
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// An idle connection that the server has closed is no failure.
func TestIdleConnectionClosed(t *testing.T) {
	s := zonetest.Start(t, nil)
	shared := &zone.Shared{}
	defer shared.Close()

	z := openTest(t, s.Addr(), func(o *zone.Options) { o.Shared = shared })
	for range 2 {
		if _, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("web."+zonetest.Zone,
			"A")}); err != nil {
			t.Fatal(err)
		}
		for _, l := range poolOf(shared).server(s.Addr()).idle {
			_ = l.Conn.Conn.Close()
		}
	}
}

// How much is under way follows what the server does.
func TestAtOnce(t *testing.T) {
	s := (&Pool{}).server("192.0.2.1:53")
	enter := func(n int) {
		t.Helper()
		for range n {
			if _, err := s.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}

	enter(1)
	for range 100 {
		s.release(answered, nil)
		enter(1)
	}

	if s.limit != mostAtOnce {
		t.Errorf("after 100 answers %d at a time, want %d", s.limit, mostAtOnce)
	}

	enter(4)
	s.release(turnedAway, errors.New("refused"))
	if s.limit != 2 || s.ceiling != 4 {
		t.Errorf("after one of 5 was turned away: %d at a time, at most %d; want 2, 4",
			s.limit, s.ceiling)
	}

	for range 4 {
		s.release(fellSilent, errors.New("timeout"))
	}

	if s.limit != 1 || s.busy != 0 {
		t.Errorf("after silence: %d at a time, %d under way; want 1, 0", s.limit, s.busy)
	}
}

// Whoever waits for a turn may give up, and takes nobody's.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&Pool{}).server("192.0.2.1:53")
		for range firstAtOnce {
			_, _ = s.acquire(t.Context())
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		var in atomic.Int32
		for _, c := range []context.Context{ctx, t.Context(), ctx, t.Context()} {
			go func() {
				if _, err := s.acquire(c); err == nil {
					in.Add(1)
				}
			}()
		}

		time.Sleep(2 * time.Second)
		for range firstAtOnce {
			s.release(answered, nil)
		}

		synctest.Wait()
		if in.Load() != 2 || s.busy != 2 || len(s.waiting) != 0 {
			t.Errorf("%d came in, %d are under way, %d wait; want 2, 2, 0", in.Load(), s.busy,
				len(s.waiting))
		}
	})
}

// A transfer that is not signed to its end, or is none, is not believed.
func TestBadTransfers(t *testing.T) {
	soa := zonetest.Zone + " 60 IN SOA ns. h. 1 1 1 1 1"
	for _, c := range []struct {
		name  string
		rrs   []string
		strip bool
		want  string
	}{
		{"without a SOA", []string{"a." + zonetest.Zone + " 60 IN A 192.0.2.1"}, false, "does not begin with the zone's SOA"},
		{"after its end", []string{soa, soa, "a." + zonetest.Zone + " 60 IN A 192.0.2.1"}, false, "after the end"},
		{"without signature", []string{soa, soa}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := answerTransfers(t, c.rrs, !c.strip)
			b := openTest(t, addr, nil).Backend.(*backend)
			_, err := b.transfer(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want ... %s ...", err, c.want)
			}
		})
	}
}

// answerTransfers is a server that answers every question with the same records.
func answerTransfers(t *testing.T, rrs []string, sign bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	server := &dns.Server{
		Listener:   l,
		TsigSecret: map[string]string{"mailpub.": zonetest.Secret},
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			for _, text := range rrs {
				rr, err := dns.NewRR(text)
				if err != nil {
					t.Error(err)
				}
				m.Answer = append(m.Answer, rr)
			}

			if sign {
				m.SetTsig("mailpub.", dns.HmacSHA256, 300, time.Now().Unix())
			}

			_ = w.WriteMsg(m)
		}),
	}

	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return l.Addr().String()
}

// More than one update's worth of changes goes in several, and all of them arrive.
func TestLargeBatch(t *testing.T) {
	s := zonetest.Start(t, func(c *authdns.Config) {})
	var changes []zonetest.Change
	for i := range 3000 {
		changes = append(changes, zonetest.Change{
			Key:    mail.DNSKey(fmt.Sprintf("n%d.%s", i, zonetest.Zone), "A"),
			Before: nil,
			After:  []string{"192.0.2.1 ttl 60"},
		})
	}

	if err := zonetest.ApplyAll(t, openTest(t, s.Addr(), nil), changes...); err != nil {
		t.Fatal(err)
	}

	if n := len(s.Dump(zonetest.Zone)); n < 3000 {
		t.Errorf("%d records", n)
	}
}

// Of a zone full of strangers' records only what was asked for is kept.
func TestTransferKeepsWhatIsWanted(t *testing.T) {
	var text strings.Builder
	text.WriteString(zonetest.Text)
	for i := range 5000 {
		fmt.Fprintf(&text, "s%d IN TXT \"a stranger's, number %[1]d\"\n", i)
	}

	s := zonetest.Start(t, func(c *authdns.Config) {
		c.Zones = map[string]string{zonetest.Zone: text.String()}
	})

	l, err := openTest(t, s.Addr(), nil).Backend.List(t.Context(),
		[]record.RRset{{Name: "web." + zonetest.Zone, Type: "A"},
			{Name: "none." + zonetest.Zone, Type: "A"}})

	if err != nil || len(l.Sets) != 1 || len(l.Sets[record.RRset{
		Name: "web." + zonetest.Zone,
		Type: "A",
	}]) != 1 {
		t.Errorf("%d sets, %v", len(l.Sets), err)
	}
}
