package rfc2136

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// onBoth runs a test on the embedded server and on BIND, with transfers and without.
func onBoth(t *testing.T, run func(t *testing.T, addr string, dump func() []string)) {
	reader := zonetest.Key()
	reader.Name = "reader."
	for _, transfer := range []bool{true, false} {
		name := "with transfer"
		who := `key "mailpub."; key "reader.";`
		if !transfer {
			name, who = "without transfer", `key "reader.";`
		}

		t.Run("embedded "+name, func(t *testing.T) {
			s := zonetest.Start(t, func(c *authdns.Config) { c.NoTransfer = !transfer })
			run(t, s.Addr(), func() []string { return s.Dump(zonetest.Zone) })
		})

		t.Run("bind "+name, func(t *testing.T) {
			addr := startBIND(t, who)
			run(t, addr, func() []string { return transferred(t, addr, reader) })
		})
	}
}

// A zone with everything in it goes back to what it was, to the octet.
func TestTextOfStrangersStays(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		before := dump()
		key := mail.TaggedTXT(zonetest.Zone, "v=spf1")
		first := []string{`"v=spf1 mx -all"`}
		second := []string{`"v=spf1 mx ip4:2.2.2.2 -all"`}

		for _, c := range []zonetest.Change{{Key: key, Before: nil, After: first},
			{Key: key, Before: first, After: second}, {Key: key, Before: second, After: nil}} {
			if err := zonetest.ApplyAll(t, openTest(t, addr, nil), c); err != nil {
				t.Fatal(err)
			}

			for _, l := range dump() {
				if strings.Contains(l, " TXT ") && !strings.Contains(l, " 1800 ") {
					t.Errorf("re-timed: %s", l)
				}
			}
		}

		if after := dump(); !slices.Equal(before, after) {
			t.Errorf("before\n%s\nafter\n%s", strings.Join(before, "\n"),
				strings.Join(after, "\n"))
		}
	})
}

// Text that is odd on the wire is read, changed and deleted all the same.
func TestOddText(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		m := new(dns.Msg).SetUpdate(zonetest.Zone)
		m.Insert([]dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: "odd." + zonetest.Zone, Rrtype: dns.TypeTXT,
				Class: dns.ClassINET, Ttl: 60},
			Txt: []string{"V=SPF1", ` ip4:192.0.2.1 \195\168 `, `\"x\\y\" -all`},
		}})

		zonetest.Update(t, addr, m)
		key := mail.TaggedTXT("odd."+zonetest.Zone, "v=spf1")
		z := openTest(t, addr, nil)
		items, err := z.Read(t.Context(), []plan.Key{key})
		want := []string{`"V=SPF1 ip4:192.0.2.1 \195\168 \"x\\y\" -all"`}
		if err != nil || len(items) != 1 || !slices.Equal(items[0].Lines, want) {
			t.Fatalf("%v %v", items, err)
		}

		if err := zonetest.ApplyAll(t, z, zonetest.Change{
			Key:    key,
			Before: want,
			After:  nil,
		}); err != nil {
			t.Fatal(err)
		}

		for _, l := range dump() {
			if strings.HasPrefix(l, "odd.") {
				t.Errorf("still there: %s", l)
			}
		}
	})
}

// BIND takes MX and its address in one update only, and none of a batch that it does not
// like.
func TestOneUpdate(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		serial := soa(t, addr)
		var batch []zonetest.Change
		for _, it := range zonetest.MailItems() {
			batch = append(batch, zonetest.Change{Key: it.Key, Before: nil, After: it.Lines})
		}

		if err := zonetest.ApplyAll(t, openTest(t, addr, nil), batch...); err != nil {
			t.Fatal(err)
		}

		if now := soa(t, addr); now != serial+1 {
			t.Errorf("the serial went from %d to %d: not one update", serial, now)
		}
	})
}

func soa(t *testing.T, addr string) uint32 {
	t.Helper()
	reply, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(zonetest.Zone,
		dns.TypeSOA), addr)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}

// What changes between reading and writing is noticed by the server itself.
func TestStaleAtTheServer(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		b := openTest(t, addr, nil).Backend
		set := record.RRset{Name: "mail." + zonetest.Zone, Type: "A"}
		after, _ := record.ParseLine(set, "2.2.2.2 ttl 300", 300)
		zonetest.Foreign(t, addr, mail.DNSKey(set.Name, "A"), []string{"192.0.2.66 ttl 300"})
		before := dump()
		err := b.Write(t.Context(), []zone.Edit{{RRset: set, After: []record.Record{after}}})
		if !errors.Is(err, plan.ErrStale) {
			t.Errorf("creating what is there: %v", err)
		}

		other, _ := record.ParseLine(set, "192.0.2.67 ttl 300", 300)
		err = b.Write(t.Context(), []zone.Edit{{RRset: set, Before: []record.Record{other}, After: []record.Record{after}}})
		if !errors.Is(err, plan.ErrStale) {
			t.Errorf("changing what is not so: %v", err)
		}

		if !slices.Equal(before, dump()) {
			t.Error("something was written")
		}
	})
}

// Where a transfer is refused, a wildcard's answer is not taken for a record.
func TestWildcard(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, _ func() []string) {
		z := openTest(t, addr, nil)
		items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail.apps."+zonetest.Zone,
			"A"), mail.DNSKey("*.apps."+zonetest.Zone, "A")})

		if err != nil {
			t.Fatal(err)
		}

		for _, it := range items {
			if own := strings.HasPrefix(it.Key.Name, "*"); own != (it.Unreadable == "") {
				t.Errorf("%+v", it)
			}
		}

		if oneByOne := z.Backend.(*backend).oneByOne; len(items) != map[bool]int{false: 1,
			true: 2}[oneByOne] {
			t.Errorf("%d items, one by one %v", len(items), oneByOne)
		}
	})
}

func TestAliasInTheWay(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		before := dump()
		err := zonetest.ApplyAll(t, openTest(t, addr, nil), zonetest.Change{
			Key:    mail.DNSKey("www."+zonetest.Zone, "A"),
			Before: nil,
			After:  []string{"2.2.2.2 ttl 300"},
		})

		if err == nil || !strings.Contains(err.Error(),
			"alias of web.nomeazienda.it. (CNAME)") {
			t.Errorf("A beside CNAME: %v", err)
		}

		// The server would drop this one without a word.
		err = zonetest.ApplyAll(t, openTest(t, addr, nil), zonetest.Change{
			Key:    mail.DNSKey("web."+zonetest.Zone, "CNAME"),
			Before: nil,
			After:  []string{"www.nomeazienda.it. ttl 300"},
		})

		if err == nil || !strings.Contains(err.Error(),
			"web.nomeazienda.it has other records (A)") {
			t.Errorf("CNAME beside A: %v", err)
		}

		if !slices.Equal(before, dump()) {
			t.Error("something was written")
		}

		// Without a transfer of the zone nobody sees this one, and the server drops the CNAME
		// without a word.
		if err := zonetest.ApplyAll(t, openTest(t, addr, nil), zonetest.Change{
			Key:    mail.DNSKey("_x._tcp."+zonetest.Zone, "SRV"),
			Before: nil,
			After:  []string{"0 1 25 www.nomeazienda.it. ttl 300"},
		}); err != nil {
			t.Fatal(err)
		}

		err = zonetest.ApplyAll(t, openTest(t, addr, nil), zonetest.Change{
			Key:    mail.DNSKey("_x._tcp."+zonetest.Zone, "CNAME"),
			Before: nil,
			After:  []string{"www.nomeazienda.it. ttl 300"},
		})

		if err == nil || !strings.Contains(err.Error(), "written, but") &&
			!strings.Contains(err.Error(), "other records (SRV)") {
			t.Errorf("CNAME beside SRV: %v", err)
		}
	})
}

func TestRFC2136Errors(t *testing.T) {
	set := func(k, v string) func(*zone.Options) {
		return func(o *zone.Options) { o.Settings[k] = v }
	}

	tests := []struct {
		name   string
		change func(*zone.Options)
		want   string
	}{
		{"another secret", set("key", "b3RoZXI="), `knows key "mailpub.", but not with this secret`},
		{"another key", set("key_name", "nobody"), `does not know key "nobody." with hmac-sha256`},
		{"another algorithm", set("key_alg", "hmac-sha512"), `key_alg`},
		{"another zone", func(o *zone.Options) { o.Zone = "example.org" }, "is not authoritative for zone example.org."},
		{"nobody listens", set("server", "127.0.0.1:1"), "server 127.0.0.1:1 does not answer"},
	}

	onBoth(t, func(t *testing.T, addr string, _ func() []string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				z := openTest(t, addr, test.change)
				_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+z.Name, "A")})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want ... %s ...", err, test.want)
				}

				if err != nil && (strings.Contains(err.Error(), zonetest.Secret) ||
					strings.Contains(err.Error(), "b3RoZXI=")) {
					t.Errorf("the error shows the secret: %v", err)
				}
			})
		}
	})
}

// A key that may read but not write.
func TestRefusedUpdate(t *testing.T) {
	addr := startBIND(t, `key "mailpub."; key "reader.";`)
	z := openTest(t, addr, func(o *zone.Options) { o.Settings["key_name"] = "reader" })
	err := zonetest.ApplyAll(t, z, zonetest.Change{
		Key:    mail.DNSKey("mail."+zonetest.Zone, "A"),
		Before: nil,
		After:  []string{"2.2.2.2 ttl 300"},
	})

	if err == nil || !strings.Contains(err.Error(),
		`allow key "reader." to update zone nomeazienda.it.`) {
		t.Error(err)
	}
}

// One odd record does not keep the others from being read.
func TestOddRecords(t *testing.T) {
	s := zonetest.Start(t, func(c *authdns.Config) {
		c.Zones = map[string]string{zonetest.Zone: zonetest.Text +
			"svcb IN SVCB 1 . alpn=h2\nmail 300 IN A 2.2.2.2\n"}
	})

	z := openTest(t, s.Addr(), nil)
	items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+zonetest.Zone, "A")})
	if err != nil || len(items) != 1 || !slices.Equal(items[0].Lines,
		[]string{"2.2.2.2 ttl 300"}) {
		t.Errorf("%v %v", items, err)
	}

	if z.Backend.(*backend).oneByOne {
		t.Error("the zone was not transferred")
	}
}

// A server that takes the connection and says nothing.
func TestSilentServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer silent.Close()

	z := openTest(t, silent.Addr().String(), nil)
	z.Backend.(*backend).timeout = 100 * time.Millisecond
	_, err = z.Read(t.Context(), []plan.Key{mail.DNSKey(zonetest.Zone, "MX")})
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
}

// Whatever blocks, the end of the context ends it.
func TestCancelled(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer silent.Close()

	z := openTest(t, silent.Addr().String(), nil)
	z.Backend.(*backend).timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := silent.Accept(); err == nil {
			cancel()
			_, _ = c.Read(make([]byte, 1))
			defer c.Close()
		}
	}()

	if _, err := z.Read(ctx, []plan.Key{mail.DNSKey(zonetest.Zone, "MX")}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
}
