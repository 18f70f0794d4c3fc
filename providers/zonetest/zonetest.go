package zonetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/record"
)

// Update sends an update that is signed with the key of the tests.
func Update(t *testing.T, addr string, m *dns.Msg) {
	t.Helper()
	m.Compress = true
	key := Key()
	m.SetTsig(key.Name, dns.Fqdn(key.Alg), 300, time.Now().Unix())
	client := dns.Client{
		Net:        "tcp",
		TsigSecret: map[string]string{key.Name: key.Secret},
		Timeout:    5 * time.Second,
	}

	reply, _, err := client.ExchangeContext(t.Context(), m, addr)
	if err != nil || reply.Rcode != dns.RcodeSuccess {
		t.Fatalf("update: %v %v", reply, err)
	}
}

const (
	Zone   = "nomeazienda.it."
	Secret = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgbm90IGEgc2VjcmV0"
)

// Text is a zone with much that is not ours: strangers' text at the apex, one with
// escapes and one cut in odd places, service records that libdns can't parse, a wildcard.
const Text = `$TTL 3600
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

const ReverseZone = "2.2.2.in-addr.arpa."

// GoodZone is what mailpub publishes; the tests spoil one line of it at a time.
const GoodZone = `$TTL 3600
@ IN SOA ns hostmaster 1 3600 600 86400 300
@ IN NS ns
@ IN MX 10 mail
@ IN TXT "v=spf1 mx ip4:2.2.2.2 -all"
@ IN TXT "v=spf10 is none"
ns IN A 127.0.0.1
mail IN A 2.2.2.2
mail IN TXT "v=spf1 a -all"
_dmarc IN TXT "v=DMARC1; p=reject"
web IN A 192.0.2.80
alias IN CNAME mail
`

const GoodReverse = `$TTL 3600
@ IN SOA ns.nomeazienda.it. hostmaster 1 3600 600 86400 300
@ IN NS ns.nomeazienda.it.
2 IN PTR mail.nomeazienda.it.
`

func Key() authdns.Key {
	return authdns.Key{Name: "mailpub.", Alg: "hmac-sha256", Secret: Secret}
}

func Start(t *testing.T, change func(*authdns.Config)) *authdns.Server {
	t.Helper()
	cfg := authdns.Config{Zones: map[string]string{Zone: Text}, Key: Key()}
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

func MailItems() []plan.Item {
	tagged := func(name, text string) plan.Item {
		return plan.Item{
			Key:   mail.TaggedTXT(name, "v=spf1"),
			Lines: []string{mail.TextData(text)},
			Stage: plan.StageRecord,
		}
	}

	return []plan.Item{
		{Key: mail.DNSKey("mail."+Zone, "A"), Lines: []string{"2.2.2.2 ttl 300"}, Stage: plan.StageAddress},
		{Key: mail.DNSKey("mail."+Zone, "AAAA"), Lines: []string{"2001:db8::2 ttl 300", "2001:db8::3 ttl 300"}, Stage: plan.StageAddress},
		{Key: mail.DNSKey(Zone, "MX"), Lines: []string{"10 mail.nomeazienda.it. ttl 3600"}, Stage: plan.StageMail},
		tagged(Zone, "v=spf1 mx ip4:2.2.2.2 -all"),
		tagged("mail."+Zone, "v=spf1 a "+strings.Repeat("ip4:192.0.2.123 ", 30)+"-all"),
	}
}

// Foreign writes an RRset as somebody else would: by an update without prerequisites.
func Foreign(t *testing.T, addr string, k plan.Key, want []string) {
	t.Helper()
	name, rrtype, _, err := mail.SplitDNSKey(k)
	if err != nil {
		t.Fatal(err)
	}

	m := new(dns.Msg).SetUpdate(Zone)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: name,
		Rrtype: dns.StringToType[rrtype]}}})

	for _, l := range want {
		r, err := record.ParseLine(record.RRset{Name: name, Type: rrtype}, l, 300)
		if err != nil {
			t.Fatal(err)
		}
		rr, _ := r.RR()
		m.Insert([]dns.RR{rr})
	}

	Update(t, addr, m)
}

func Serve(t *testing.T, zones map[string]string) string {
	t.Helper()
	return Start(t, func(c *authdns.Config) { c.Zones = zones }).Addr()
}

// Silent returns an address where nobody answers: a socket that only listens.
func Silent(t *testing.T) string {
	t.Helper()
	s := Serve(t, map[string]string{"elsewhere.example.": strings.ReplaceAll(GoodZone,
		"mail IN A 2.2.2.2\n", "")})
	return s // it refuses what it is not authoritative for
}

// Change is one change of a table.
type Change struct {
	Key           plan.Key
	Before, After []string
}

func (c Change) Plan() plan.Change {
	action := plan.Update
	switch {
	case c.Before == nil:
		action = plan.Create
	case c.After == nil:
		action = plan.Delete
	}

	return plan.Change{
		Key:    c.Key,
		Action: action,
		Before: c.Before,
		After:  c.After,
	}
}

func ApplyAll(t *testing.T, d plan.Driver, cs ...Change) error {
	t.Helper()
	var batch []plan.Change
	for _, c := range cs {
		batch = append(batch, c.Plan())
	}

	return d.Apply(t.Context(), batch, func(c plan.Change, err error) {
		if err != nil {
			t.Logf("%v: %v", c.Key, err)
		}
	})
}

func SuiteZone(i int) string { return fmt.Sprintf("z%02d.example.", i) }
