package providers

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
)

// onBoth runs a test on the embedded server and on BIND, with transfers and without.
func onBoth(t *testing.T, run func(t *testing.T, addr string, dump func() []string)) {
	reader := testKey()
	reader.Name = "reader."
	for _, transfer := range []bool{true, false} {
		name, who := "with transfer", `key "mailpub."; key "reader.";`
		if !transfer {
			name, who = "without transfer", `key "reader.";`
		}
		t.Run("embedded "+name, func(t *testing.T) {
			s := startDNS(t, func(c *authdns.Config) { c.NoTransfer = !transfer })
			run(t, s.Addr(), func() []string { return s.Dump(testZone) })
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
		key := mail.TaggedTXT(testZone, "v=spf1")
		first, second := []string{`"v=spf1 mx -all"`}, []string{`"v=spf1 mx ip4:2.2.2.2 -all"`}
		for _, c := range []change{{key, nil, first}, {key, first, second}, {key, second, nil}} {
			if err := applyAll(t, openTest(t, addr, nil), c); err != nil {
				t.Fatal(err)
			}
			for _, l := range dump() {
				if strings.Contains(l, " TXT ") && !strings.Contains(l, " 1800 ") {
					t.Errorf("re-timed: %s", l)
				}
			}
		}
		if after := dump(); !slices.Equal(before, after) {
			t.Errorf("before\n%s\nafter\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
}

// Text that is odd on the wire is read, changed and deleted all the same.
func TestOddText(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		m := new(dns.Msg).SetUpdate(testZone)
		m.Insert([]dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: "odd." + testZone, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
			Txt: []string{"V=SPF1", ` ip4:192.0.2.1 \195\168 `, `\"x\\y\" -all`},
		}})
		update(t, addr, m)
		key := mail.TaggedTXT("odd."+testZone, "v=spf1")
		z := openTest(t, addr, nil)
		items, err := z.Read(t.Context(), []plan.Key{key})
		want := []string{`"V=SPF1 ip4:192.0.2.1 \195\168 \"x\\y\" -all"`}
		if err != nil || len(items) != 1 || !slices.Equal(items[0].Lines, want) {
			t.Fatalf("%v %v", items, err)
		}
		if err := applyAll(t, z, change{key, want, nil}); err != nil {
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
		var batch []change
		for _, it := range mailItems() {
			batch = append(batch, change{it.Key, nil, it.Lines})
		}
		if err := applyAll(t, openTest(t, addr, nil), batch...); err != nil {
			t.Fatal(err)
		}
		if now := soa(t, addr); now != serial+1 {
			t.Errorf("the serial went from %d to %d: not one update", serial, now)
		}
	})
}

func soa(t *testing.T, addr string) uint32 {
	t.Helper()
	reply, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(testZone, dns.TypeSOA), addr)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}

// What changes between reading and writing is noticed by the server itself.
func TestStaleAtTheServer(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		b := openTest(t, addr, nil).backend
		set := rrset{"mail." + testZone, "A"}
		after, _ := parseLine(set, "2.2.2.2 ttl 300", 300)
		foreign(t, addr, mail.DNSKey(set.name, "A"), []string{"192.0.2.66 ttl 300"})
		before := dump()
		err := b.write(t.Context(), []edit{{rrset: set, after: []record{after}}})
		if !errors.Is(err, plan.ErrStale) {
			t.Errorf("creating what is there: %v", err)
		}
		other, _ := parseLine(set, "192.0.2.67 ttl 300", 300)
		err = b.write(t.Context(), []edit{{set, []record{other}, []record{after}}})
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
		items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail.apps."+testZone, "A"), mail.DNSKey("*.apps."+testZone, "A")})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if own := strings.HasPrefix(it.Key.Name, "*"); own != (it.Unreadable == "") {
				t.Errorf("%+v", it)
			}
		}
		if oneByOne := z.backend.(*rfc2136Backend).oneByOne; len(items) != map[bool]int{false: 1, true: 2}[oneByOne] {
			t.Errorf("%d items, one by one %v", len(items), oneByOne)
		}
	})
}

func TestAliasInTheWay(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string, dump func() []string) {
		before := dump()
		err := applyAll(t, openTest(t, addr, nil), change{mail.DNSKey("www."+testZone, "A"), nil, []string{"2.2.2.2 ttl 300"}})
		if err == nil || !strings.Contains(err.Error(), "alias of web.nomeazienda.it. (CNAME)") {
			t.Errorf("A beside CNAME: %v", err)
		}
		// The server would drop this one without a word.
		err = applyAll(t, openTest(t, addr, nil), change{mail.DNSKey("web."+testZone, "CNAME"), nil, []string{"www.nomeazienda.it. ttl 300"}})
		if err == nil || !strings.Contains(err.Error(), "web.nomeazienda.it has other records (A)") {
			t.Errorf("CNAME beside A: %v", err)
		}
		if !slices.Equal(before, dump()) {
			t.Error("something was written")
		}
		// Without a transfer of the zone nobody sees this one, and the server drops the CNAME
		// without a word.
		if err := applyAll(t, openTest(t, addr, nil), change{mail.DNSKey("_x._tcp."+testZone, "SRV"), nil, []string{"0 1 25 www.nomeazienda.it. ttl 300"}}); err != nil {
			t.Fatal(err)
		}
		err = applyAll(t, openTest(t, addr, nil), change{mail.DNSKey("_x._tcp."+testZone, "CNAME"), nil, []string{"www.nomeazienda.it. ttl 300"}})
		if err == nil || !strings.Contains(err.Error(), "written, but") && !strings.Contains(err.Error(), "other records (SRV)") {
			t.Errorf("CNAME beside SRV: %v", err)
		}
	})
}

func TestRFC2136Errors(t *testing.T) {
	set := func(k, v string) func(*Options) { return func(o *Options) { o.Settings[k] = v } }
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"another secret", set("key", "b3RoZXI="), `knows key "mailpub.", but not with this secret`},
		{"another key", set("key_name", "nobody"), `does not know key "nobody." with hmac-sha256`},
		{"another algorithm", set("key_alg", "hmac-sha512"), `key_alg`},
		{"another zone", func(o *Options) { o.Zone = "example.org" }, "is not authoritative for zone example.org."},
		{"nobody listens", set("server", "127.0.0.1:1"), "server 127.0.0.1:1 does not answer"},
	}
	onBoth(t, func(t *testing.T, addr string, _ func() []string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				z := openTest(t, addr, test.change)
				_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+z.name, "A")})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want ... %s ...", err, test.want)
				}
				if err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "b3RoZXI=")) {
					t.Errorf("the error shows the secret: %v", err)
				}
			})
		}
	})
}

// A key that may read but not write.
func TestRefusedUpdate(t *testing.T) {
	addr := startBIND(t, `key "mailpub."; key "reader.";`)
	z := openTest(t, addr, func(o *Options) { o.Settings["key_name"] = "reader" })
	err := applyAll(t, z, change{mail.DNSKey("mail."+testZone, "A"), nil, []string{"2.2.2.2 ttl 300"}})
	if err == nil || !strings.Contains(err.Error(), `allow key "reader." to update zone nomeazienda.it.`) {
		t.Error(err)
	}
}

// One odd record does not keep the others from being read.
func TestOddRecords(t *testing.T) {
	s := startDNS(t, func(c *authdns.Config) {
		c.Zones = map[string]string{testZone: zoneText + "svcb IN SVCB 1 . alpn=h2\nmail 300 IN A 2.2.2.2\n"}
	})
	z := openTest(t, s.Addr(), nil)
	items, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+testZone, "A")})
	if err != nil || len(items) != 1 || !slices.Equal(items[0].Lines, []string{"2.2.2.2 ttl 300"}) {
		t.Errorf("%v %v", items, err)
	}
	if z.backend.(*rfc2136Backend).oneByOne {
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
	z.backend.(*rfc2136Backend).timeout = 100 * time.Millisecond
	_, err = z.Read(t.Context(), []plan.Key{mail.DNSKey(testZone, "MX")})
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
	z.backend.(*rfc2136Backend).timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := silent.Accept(); err == nil {
			cancel()
			_, _ = c.Read(make([]byte, 1))
			defer c.Close()
		}
	}()
	if _, err := z.Read(ctx, []plan.Key{mail.DNSKey(testZone, "MX")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
}
