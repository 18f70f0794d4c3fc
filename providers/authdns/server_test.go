package authdns

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const text = `$TTL 300
@ IN SOA ns hostmaster 4294967295 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
a IN A 192.0.2.1
a IN A 192.0.2.2
a IN TXT "one"
alias IN CNAME a
out IN CNAME a.example.net.
loop IN CNAME loop
deep.er.below IN A 192.0.2.3
*.wild IN A 192.0.2.4
real.wild IN TXT "no address"
`

const secret = "MDEyMzQ1Njc4OWFiY2RlZg=="

func start(t *testing.T, change func(*Config)) *Server {
	t.Helper()
	cfg := Config{
		Zones: map[string]string{"example.org": text,
			"sub.example.org": strings.Replace(text, "192.0.2.1\n", "192.0.2.9\n", 1)},
		Key: Key{Name: "Writer", Secret: secret},
	}

	if change != nil {
		change(&cfg)
	}

	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})

	return s
}

func ask(t *testing.T, s *Server, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network, TsigSecret: map[string]string{"writer.": secret}}
	reply, _, err := c.Exchange(m, s.Addr())
	if err != nil && !errors.Is(err, dns.ErrSig) {
		t.Fatal(err)
	}
	return reply
}

func TestQueries(t *testing.T) {
	s := start(t, nil)
	tests := []struct {
		name   string
		qtype  uint16
		rcode  int
		answer string // types and data in order
		soa    bool
	}{
		{"a.example.org.", dns.TypeA, dns.RcodeSuccess, "A 192.0.2.1, A 192.0.2.2", false},
		{"A.EXAMPLE.org.", dns.TypeTXT, dns.RcodeSuccess, `TXT "one"`, false},
		{"a.example.org.", dns.TypeMX, dns.RcodeSuccess, "", true},
		{"none.example.org.", dns.TypeA, dns.RcodeNameError, "", true},
		{"er.below.example.org.", dns.TypeA, dns.RcodeSuccess, "", true}, // has something below it
		{"alias.example.org.", dns.TypeA, dns.RcodeSuccess, "CNAME a.example.org., A 192.0.2.1, A 192.0.2.2", false},
		{"alias.example.org.", dns.TypeMX, dns.RcodeSuccess, "CNAME a.example.org.", true},
		{"alias.example.org.", dns.TypeCNAME, dns.RcodeSuccess, "CNAME a.example.org.", false},
		{"out.example.org.", dns.TypeA, dns.RcodeSuccess, "CNAME a.example.net.", false},
		{"x.y.wild.example.org.", dns.TypeA, dns.RcodeSuccess, "A 192.0.2.4", false},
		{"x.wild.example.org.", dns.TypeMX, dns.RcodeSuccess, "", true},
		{"real.wild.example.org.", dns.TypeA, dns.RcodeSuccess, "", true},
		{"a.sub.example.org.", dns.TypeA, dns.RcodeSuccess, "A 192.0.2.9, A 192.0.2.2", false},
		{"example.net.", dns.TypeA, dns.RcodeRefused, "", false},
		{"notexample.org.", dns.TypeA, dns.RcodeRefused, "", false},
	}

	for _, network := range []string{"udp", "tcp"} {
		for _, test := range tests {
			reply := ask(t, s, network, new(dns.Msg).SetQuestion(test.name, test.qtype))
			var got []string
			for _, rr := range reply.Answer {
				got = append(got, dns.TypeToString[rr.Header().Rrtype]+" "+
					strings.TrimPrefix(rr.String(), rr.Header().String()))
			}

			soa := len(reply.Ns) == 1 && reply.Ns[0].Header().Rrtype == dns.TypeSOA &&
				reply.Ns[0].Header().Ttl == 60

			if reply.Rcode != test.rcode || strings.Join(got, ", ") != test.answer ||
				soa != test.soa ||
				reply.Authoritative != (test.rcode != dns.RcodeRefused) {
				t.Errorf("%s %s by %s:\n%v", test.name, dns.TypeToString[test.qtype], network,
					reply)
			}
		}

		// A loop of aliases ends.
		if reply := ask(t, s, network, new(dns.Msg).SetQuestion("loop.example.org.",
			dns.TypeA)); len(reply.Answer) != maxChain {
			t.Errorf("a loop: %v", reply)
		}
	}
}

func TestTruncation(t *testing.T) {
	s := start(t, func(c *Config) {
		z := text
		for i := range 20 {
			z += fmt.Sprintf("big IN TXT \"%d %s\"\n", i, strings.Repeat("x", 100))
		}
		c.Zones = map[string]string{"example.org": z}
	})

	for _, test := range []struct {
		network string
		edns    uint16
		signed  bool
		size    int
	}{{"udp", 0, false, 512}, {"udp", 4096, false, 1232}, {"udp", 1232, true, 1232},
		{"tcp", 0, false, 0}} {
		m := new(dns.Msg).SetQuestion("big.example.org.", dns.TypeTXT)
		if test.edns > 0 {
			m.SetEdns0(test.edns, false)
		}

		if test.signed {
			m.SetTsig("writer.", dns.HmacSHA256, 300, time.Now().Unix())
		}

		reply := ask(t, s, test.network, m)
		reply.Compress = true
		whole := len(reply.Answer) == 20

		if reply.Truncated == whole || whole != (test.size == 0) ||
			test.size > 0 && reply.Len() > test.size {
			t.Errorf("%+v: truncated %v, %d records, %d octets", test, reply.Truncated,
				len(reply.Answer), reply.Len())
		}
	}
}

// rr reads a record for an update: class ANY and NONE too.
func rr(t *testing.T, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func bare(name string, rrtype, class uint16) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: rrtype, Class: class}}
}

func TestUpdate(t *testing.T) {
	const a = "a.example.org."
	one := func(t *testing.T, s string) []dns.RR { return []dns.RR{rr(t, s)} }
	tests := []struct {
		name   string
		build  func(t *testing.T, m *dns.Msg)
		rcode  int
		differ []string // lines gone (-) and come (+)
	}{
		{"add to an RRset", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, a+" 300 IN A 192.0.2.7")) }, 0,
			[]string{"+" + a + " 300 IN A 192.0.2.7"}},
		{"add with another TTL", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, a+" 60 IN A 192.0.2.2")) }, 0,
			[]string{"+" + a + " 60 IN A 192.0.2.1", "+" + a + " 60 IN A 192.0.2.2", "-" + a + " 300 IN A 192.0.2.1", "-" + a + " 300 IN A 192.0.2.2"}},
		{"add what is there", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, a+" 300 IN A 192.0.2.1")) }, 0, nil},
		{"delete an RRset", func(t *testing.T, m *dns.Msg) { m.RemoveRRset(one(t, a+" IN A 0.0.0.0")) }, 0,
			[]string{"-" + a + " 300 IN A 192.0.2.1", "-" + a + " 300 IN A 192.0.2.2"}},
		{"delete a name", func(t *testing.T, m *dns.Msg) { m.RemoveName(one(t, a+" IN A 0.0.0.0")) }, 0,
			[]string{"-" + a + " 300 IN A 192.0.2.1", "-" + a + " 300 IN A 192.0.2.2", "-" + a + ` 300 IN TXT "one"`}},
		{"delete a record", func(t *testing.T, m *dns.Msg) { m.Remove(one(t, a+" IN A 192.0.2.1")) }, 0,
			[]string{"-" + a + " 300 IN A 192.0.2.1"}},
		{"delete a record that is not there", func(t *testing.T, m *dns.Msg) { m.Remove(one(t, a+" IN A 192.0.2.66")) }, 0, nil},
		{"delete the apex: SOA and NS stay", func(t *testing.T, m *dns.Msg) {
			m.RemoveName(one(t, "example.org. IN A 0.0.0.0"))
			m.RemoveRRset(one(t, "example.org. IN NS x."))
			m.Remove(one(t, "example.org. IN NS ns.example.org."))
			m.RemoveRRset(one(t, "example.org. IN SOA a. b. 1 1 1 1 1"))
		}, 0, nil},
		{"a CNAME beside data is dropped", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, a+" 300 IN CNAME b.")) }, 0, nil},
		{"data beside a CNAME is dropped", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, "alias.example.org. 300 IN A 192.0.2.1")) }, 0, nil},
		{"a CNAME replaces a CNAME", func(t *testing.T, m *dns.Msg) { m.Insert(one(t, "alias.example.org. 300 IN CNAME b.")) }, 0,
			[]string{"+alias.example.org. 300 IN CNAME b.", "-alias.example.org. 300 IN CNAME a.example.org."}},
		{"sections in order: away and back", func(t *testing.T, m *dns.Msg) {
			m.RemoveRRset(one(t, a+" IN TXT x"))
			m.Insert(one(t, a+` 300 IN TXT "two"`))
		}, 0, []string{"+" + a + ` 300 IN TXT "two"`, "-" + a + ` 300 IN TXT "one"`}},
		{"one bad record spoils all", func(t *testing.T, m *dns.Msg) {
			m.Insert(one(t, a+" 300 IN A 192.0.2.7"))
			m.Insert(one(t, "a.example.net. 300 IN A 192.0.2.7"))
		}, dns.RcodeNotZone, nil},
		{"a type that is none", func(t *testing.T, m *dns.Msg) { m.Ns = append(m.Ns, bare(a, dns.TypeAXFR, dns.ClassANY)) }, dns.RcodeFormatError, nil},

		{"name in use", func(t *testing.T, m *dns.Msg) { m.NameUsed(one(t, "none.example.org. IN A 0.0.0.0")) }, dns.RcodeNameError, nil},
		{"name not in use", func(t *testing.T, m *dns.Msg) { m.NameNotUsed(one(t, a+" IN A 0.0.0.0")) }, dns.RcodeYXDomain, nil},
		{"RRset exists", func(t *testing.T, m *dns.Msg) { m.RRsetUsed(one(t, a+" IN MX 0 x.")) }, dns.RcodeNXRrset, nil},
		{"RRset does not exist", func(t *testing.T, m *dns.Msg) { m.RRsetNotUsed(one(t, a+" IN A 0.0.0.0")) }, dns.RcodeYXRrset, nil},
		{"RRset is not this", func(t *testing.T, m *dns.Msg) { m.Used(one(t, a+" IN A 192.0.2.1")) }, dns.RcodeNXRrset, nil},
		{"RRset is this, in any order", func(t *testing.T, m *dns.Msg) {
			m.Used([]dns.RR{rr(t, a+" IN A 192.0.2.2"), rr(t, a+" IN A 192.0.2.1")})
			m.Remove(one(t, a+" IN A 192.0.2.1"))
		}, 0, []string{"-" + a + " 300 IN A 192.0.2.1"}},
		{"a prerequisite outside", func(t *testing.T, m *dns.Msg) { m.NameUsed(one(t, "example.net. IN A 0.0.0.0")) }, dns.RcodeNotZone, nil},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, nil)
			before := s.Dump("example.org")
			serial := s.zones["example.org."].soa().Serial
			m := new(dns.Msg).SetUpdate("example.org.")
			test.build(t, m)

			if test.rcode != 0 { // whatever else is in it is not done
				m.Insert(one(t, "never.example.org. 300 IN A 192.0.2.99"))
			}

			m.SetTsig("writer.", dns.HmacSHA256, 300, time.Now().Unix())
			if reply := ask(t, s, "tcp", m); reply.Rcode != test.rcode {
				t.Fatalf("%s, want %s", dns.RcodeToString[reply.Rcode],
					dns.RcodeToString[test.rcode])
			}

			after := s.Dump("example.org")
			if got := difference(before, after); !slices.Equal(got, test.differ) {
				t.Errorf("%q, want %q", got, test.differ)
			}

			want := serial
			if len(test.differ) > 0 {
				want = 1 // from the highest, leaving out zero
			}

			if got := s.zones["example.org."].soa().Serial; got != want {
				t.Errorf("the serial is %d, want %d", got, want)
			}
		})
	}
}

func difference(a, b []string) (out []string) {
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "-"+l)
		}
	}

	for _, l := range b {
		if !slices.Contains(a, l) {
			out = append(out, "+"+l)
		}
	}

	slices.Sort(out)
	return out
}

func TestSignatures(t *testing.T) {
	tests := []struct {
		name      string
		key, alg  string
		secret    string
		at        time.Duration
		rcode     int
		tsigError uint16
	}{
		{"right", "writer.", dns.HmacSHA256, secret, 0, dns.RcodeSuccess, 0},
		{"unsigned", "", "", "", 0, dns.RcodeRefused, 0},
		{"another secret", "writer.", dns.HmacSHA256, "b3RoZXI=", 0, dns.RcodeNotAuth, dns.RcodeBadSig},
		{"another key", "nobody.", dns.HmacSHA256, secret, 0, dns.RcodeNotAuth, dns.RcodeBadKey},
		{"another algorithm", "writer.", dns.HmacSHA512, secret, 0, dns.RcodeNotAuth, dns.RcodeBadKey},
		{"another time", "writer.", dns.HmacSHA256, secret, -time.Hour, dns.RcodeNotAuth, dns.RcodeBadTime},
	}

	s := start(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := s.Dump("example.org")
			m := new(dns.Msg).SetUpdate("example.org.")
			m.Insert([]dns.RR{rr(t, test.name[:1]+"new.example.org. 300 IN A 192.0.2.1")})
			c := &dns.Client{Net: "tcp"}

			if test.key != "" {
				c.TsigSecret = map[string]string{test.key: test.secret}
				m.SetTsig(test.key, test.alg, 300, time.Now().Add(test.at).Unix())
			}

			reply, _, _ := c.Exchange(m, s.Addr()) // an unsigned refusal does not verify
			if reply == nil || reply.Rcode != test.rcode {
				t.Fatalf("%v", reply)
			}

			if sig := reply.IsTsig(); test.key != "" &&
				(sig == nil || sig.Error != test.tsigError) {
				t.Errorf("signature: %v", sig)
			}

			if written := len(difference(before,
				s.Dump("example.org"))) > 0; written != (test.rcode == 0) {
				t.Errorf("written: %v", written)
			}
		})
	}
}

func TestTransfer(t *testing.T) {
	many := text
	for i := range 950 {
		many += fmt.Sprintf("n%d IN TXT \"%s\"\n", i, strings.Repeat("x", 100))
	}

	transfer := func(s *Server, signed bool) (n int, err error) {
		m := new(dns.Msg).SetAxfr("example.org.")
		tr := &dns.Transfer{}
		if signed {
			tr.TsigSecret = map[string]string{"writer.": secret}
			m.SetTsig("writer.", dns.HmacSHA256, 300, time.Now().Unix())
		}

		ch, err := tr.In(m, s.Addr())
		if err != nil {
			return 0, err
		}

		for e := range ch {
			if e.Error != nil {
				err = e.Error
			}
			n += len(e.RR)
		}

		return n, err
	}

	s := start(t, func(c *Config) { c.Zones = map[string]string{"example.org": many} })
	if n, err := transfer(s, true); err != nil || n != len(s.Dump("example.org"))+2 {
		t.Errorf("%d records, %v", n, err)
	}

	if n, err := transfer(s, false); err == nil || n > 0 {
		t.Errorf("unsigned: %d records, %v", n, err)
	}

	if n, err := transfer(start(t, func(c *Config) {
		c.NoTransfer = true
	}), true); err == nil || n > 0 {
		t.Errorf("not allowed: %d records, %v", n, err)
	}

	reply := ask(t, s, "udp", new(dns.Msg).SetAxfr("example.org."))
	if reply.Rcode != dns.RcodeRefused {
		t.Errorf("by UDP: %v", reply)
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no SOA", Config{Zones: map[string]string{"x": "@ 60 IN NS a.\n"}}, "zone x.: want one SOA"},
		{"no NS", Config{Zones: map[string]string{"x": "@ 60 IN SOA a. b. 1 1 1 1 1\n"}}, "at least one NS"},
		{"outside", Config{Zones: map[string]string{"x": "y. 60 IN A 192.0.2.1\n"}}, `zone x.: "y." lies outside`},
		{"no zone file", Config{Zones: map[string]string{"x": "what is this\n"}}, "zone x.: "},
		{"an include", Config{Zones: map[string]string{"x": "$INCLUDE /etc/passwd\n"}}, "zone x.: "},
		{"secret", Config{Key: Key{Name: "k", Secret: "!"}}, `secret of key "k" is not base64`},
		{"address", Config{Addr: "127.0.0.1:x"}, "listen on 127.0.0.1:x"},
	}

	for _, test := range tests {
		if s, err := Start(t.Context(), test.cfg); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
			if s != nil {
				s.Close()
			}
		}
	}
}

// Closing frees the port, and may be done twice.
func TestClose(t *testing.T) {
	s := start(t, nil)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}

	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}

	l.Close()
	if s.Dump("nowhere.example") != nil {
		t.Error("a zone that is not there has content")
	}
}
