package spf

import (
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/servertest"
)

// openspf is one section of the openspf.org test suite for RFC 7208.
type openspf struct {
	Description string
	Tests       map[string]struct {
		Helo     string
		Host     string
		MailFrom string `yaml:"mailfrom"`
		Result   oneOrMore
	}
	Zone map[string][]map[string]yaml.Node `yaml:"zonedata"`
}

// oneOrMore is a list, or one that is not written as such.
type oneOrMore []string

func (o *oneOrMore) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*o = oneOrMore{n.Value}
		return nil
	}

	for _, c := range n.Content {
		*o = append(*o, c.Value)
	}

	return nil
}

// answers is what the suite's zone says to a question; silent where it says nothing.
func (s openspf) answers(q dns.Question) (rrs []dns.RR, there, silent bool) {
	for owner, records := range s.Zone {
		if resolver.Canonical(spelled(owner)) != resolver.Canonical(q.Name) {
			continue
		}

		hdr := dns.RR_Header{
			Name:   q.Name,
			Class:  dns.ClassINET,
			Ttl:    60,
			Rrtype: q.Qtype,
		}

		for _, record := range records {
			for kind, value := range record {
				rrs = append(rrs, suiteRecord(hdr, kind, value, q)...)
				silent = silent || kind == "TIMEOUT"
			}
		}

		if q.Qtype == dns.TypeTXT && !slices.ContainsFunc(records,
			func(r map[string]yaml.Node) bool {
				_, has := r["TXT"]
				return has
			}) {
			for _, record := range records { // the suite's SPF records stand for TXT where there is none
				if value, is := record["SPF"]; is {
					rrs = append(rrs, suiteRecord(hdr, "TXT", value, q)...)
				}
			}
		}

		there = true
	}

	return rrs, there, silent && len(rrs) == 0
}

func suiteRecord(hdr dns.RR_Header, kind string, value yaml.Node, q dns.Question) []dns.RR {
	var list oneOrMore
	list.UnmarshalYAML(&value)
	switch {
	case kind == "TXT" && q.Qtype == dns.TypeTXT && value.Value != "NONE":
		t := &dns.TXT{Hdr: hdr}
		for _, part := range list {
			for len(part) > 255 {
				t.Txt = append(t.Txt, escaped(part[:255]))
				part = part[255:]
			}
			t.Txt = append(t.Txt, escaped(part))
		}

		return []dns.RR{t}
	case kind == "A" && q.Qtype == dns.TypeA:
		return []dns.RR{&dns.A{Hdr: hdr, A: netip.MustParseAddr(list[0]).AsSlice()}}
	case kind == "AAAA" && q.Qtype == dns.TypeAAAA:
		return []dns.RR{&dns.AAAA{Hdr: hdr, AAAA: netip.MustParseAddr(list[0]).AsSlice()}}
	case kind == "MX" && q.Qtype == dns.TypeMX:
		return []dns.RR{&dns.MX{Hdr: hdr, Mx: dns.Fqdn(list[1])}}
	case kind == "PTR" && q.Qtype == dns.TypePTR:
		return []dns.RR{&dns.PTR{Hdr: hdr, Ptr: dns.Fqdn(list[0])}}
	case kind == "CNAME":
		hdr.Rrtype = dns.TypeCNAME
		return []dns.RR{&dns.CNAME{Hdr: hdr, Target: dns.Fqdn(list[0])}}
	}

	return nil
}

// escaped is a string as the library for DNS keeps it.
func escaped(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

// TestOpenSPF runs the openspf.org test suite for RFC 7208 against what says whether a sender may
// send, over DNS. testdata/openspf is the suite and its licence, as the library's authors have
// it; what they mark to be left out is not left out here.
func TestOpenSPF(t *testing.T) {
	file, err := os.Open("testdata/openspf/rfc7208-tests.yml")
	if err != nil {
		t.Fatal(err)
	}

	defer file.Close()

	var section atomic.Pointer[openspf]
	addr := servertest.Handled(t, func(w dns.ResponseWriter, m *dns.Msg) {
		reply := new(dns.Msg).SetReply(m)
		reply.RecursionAvailable = true
		rrs, there, silent := section.Load().answers(m.Question[0])

		if silent {
			return
		}

		if !there {
			reply.Rcode = dns.RcodeNameError
		}

		for hops := 0; len(rrs) == 1 && rrs[0].Header().Rrtype == dns.TypeCNAME &&
			m.Question[0].Qtype != dns.TypeCNAME && hops < 10; hops++ {
			reply.Answer = append(reply.Answer, rrs...)
			rrs, _, _ = section.Load().answers(dns.Question{
				Name:  rrs[0].(*dns.CNAME).Target,
				Qtype: m.Question[0].Qtype,
			})
		}

		reply.Answer = append(reply.Answer, rrs...)
		w.WriteMsg(reply)
	})

	senders := Senders{Resolver: &resolver.Resolver{
		Servers:  []string{addr},
		Timeout:  100 * time.Millisecond,
		Attempts: 1,
	}}

	count := 0
	for decoder := yaml.NewDecoder(file); ; {
		s := new(openspf)
		if err := decoder.Decode(s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}

		section.Store(s)
		for _, name := range slices.Sorted(maps.Keys(s.Tests)) {
			test := s.Tests[name]
			count++
			got, err := senders.SPF(t.Context(), netip.MustParseAddr(test.Host), test.Helo,
				test.MailFrom)
			if !slices.Contains(test.Result, got) {
				t.Errorf("%s: %s: %s (%v), want %v", s.Description, name, got, err, test.Result)
			}
		}
	}

	if count < 200 {
		t.Errorf("the suite has %d tests, want all 200", count)
	}

	t.Logf("%d tests", count)
}
