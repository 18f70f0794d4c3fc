package providers

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
)

const (
	testZone   = "nomeazienda.it."
	testSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgbm90IGEgc2VjcmV0"
)

// zoneText is a zone with much that is not ours: strangers' text at the apex, one with
// escapes and one cut in odd places, service records that libdns can't parse, a wildcard.
const zoneText = `$TTL 3600
@ IN SOA ns hostmaster 1 3600 600 86400 300
@ IN NS ns
@ 1800 IN TXT "google-site-verification=abc"
@ 1800 IN TXT "MS=\"quoted\" back\\slash \195\168"
@ 1800 IN TXT "odd" "ly " "cut"
ns IN A 127.0.0.1
www IN CNAME web
web IN A 192.0.2.80
*.apps IN A 192.0.2.81
_dns IN SVCB 1 . alpn=h2
`

func testKey() authdns.Key {
	return authdns.Key{Name: "mailpub.", Alg: "hmac-sha256", Secret: testSecret}
}

func startDNS(t *testing.T, change func(*authdns.Config)) *authdns.Server {
	t.Helper()
	cfg := authdns.Config{Zones: map[string]string{testZone: zoneText}, Key: testKey()}
	if change != nil {
		change(&cfg)
	}
	s, err := authdns.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openTest(t *testing.T, server string, change func(*Options)) *Zone {
	t.Helper()
	o := Options{Zone: testZone, Settings: map[string]string{
		"server": server, "key_name": "mailpub.", "key": testSecret,
	}}
	if change != nil {
		change(&o)
	}
	d, err := Open("rfc2136", o)
	if err != nil {
		t.Fatal(err)
	}
	z := d.(*Zone)
	z.pauses = nil
	return z
}

func mailItems() []plan.Item {
	tagged := func(name, text string) plan.Item {
		return plan.Item{Key: mail.TaggedTXT(name, "v=spf1"), Lines: []string{mail.TextData(text)}, Stage: plan.StageRecord}
	}
	return []plan.Item{
		{Key: mail.DNSKey("mail."+testZone, "A"), Lines: []string{"2.2.2.2 ttl 300"}, Stage: plan.StageAddress},
		{Key: mail.DNSKey("mail."+testZone, "AAAA"), Lines: []string{"2001:db8::2 ttl 300", "2001:db8::3 ttl 300"}, Stage: plan.StageAddress},
		{Key: mail.DNSKey(testZone, "MX"), Lines: []string{"10 mail.nomeazienda.it. ttl 3600"}, Stage: plan.StageMail},
		tagged(testZone, "v=spf1 mx ip4:2.2.2.2 -all"),
		tagged("mail."+testZone, "v=spf1 a "+strings.Repeat("ip4:192.0.2.123 ", 30)+"-all"),
	}
}

// foreign writes an RRset as somebody else would: by an update without prerequisites.
func foreign(t *testing.T, addr string, k plan.Key, want []string) {
	t.Helper()
	name, rrtype, _, err := mail.SplitDNSKey(k)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg).SetUpdate(testZone)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: dns.StringToType[rrtype]}}})
	for _, l := range want {
		r, err := parseLine(rrset{name, rrtype}, l, 300)
		if err != nil {
			t.Fatal(err)
		}
		rr, _ := r.rr()
		m.Insert([]dns.RR{rr})
	}
	update(t, addr, m)
}

func update(t *testing.T, addr string, m *dns.Msg) {
	t.Helper()
	m.Compress = true
	b := openTest(t, addr, nil).backend.(*rfc2136Backend)
	reply, err := b.exchange(t.Context(), m, true)
	if err != nil || reply.Rcode != dns.RcodeSuccess {
		t.Fatalf("update: %v %v", reply, err)
	}
}
