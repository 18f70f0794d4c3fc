package providers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/providertest"
)

// fakeHE is Hurricane Electric: a name server, and a form that changes the records of its zone
// that are there already.
type fakeHE struct {
	t   *testing.T
	dns *authdns.Server
	say string // instead of doing anything
}

func (f *fakeHE) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := dns.Fqdn(r.FormValue("hostname"))
	switch {
	case f.say != "":
		fmt.Fprintln(w, f.say)
		return
	case r.Method != http.MethodPost || r.URL.Path != "/nic/update" || r.FormValue("password") != "the-token":
		fmt.Fprintln(w, "badauth")
		return
	}
	value, rrtype := r.FormValue("myip"), "A"
	if r.Form.Has("txt") {
		value, rrtype = quoted(r.FormValue("txt")), "TXT"
	} else if strings.Contains(value, ":") {
		rrtype = "AAAA"
	}
	m := new(dns.Msg).SetUpdate(testZone)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: host, Rrtype: dns.StringToType[rrtype]}}})
	rr, err := dns.NewRR(host + " 300 IN " + rrtype + " " + value)
	if err != nil {
		fmt.Fprintln(w, "notfqdn")
		return
	}
	m.Insert([]dns.RR{rr})
	update(f.t, f.dns.Addr(), m)
	fmt.Fprintln(w, "good "+value)
}

func openHETest(t *testing.T, say string) (*Zone, *fakeHE, *providertest.Gate) {
	s := startDNS(t, func(c *authdns.Config) {
		c.Zones = map[string]string{testZone: zoneText + "mail 300 IN A 192.0.2.1\nmail 300 IN TXT \"v=spf1 -all\"\ntwo 300 IN A 192.0.2.1\ntwo 300 IN A 192.0.2.2\n"}
	})
	f := &fakeHE{t: t, dns: s, say: say}
	gate := providertest.NewGate(t, f)
	z, err := openZone(heProvider(), Options{Zone: testZone, HTTPClient: gate.Client(), Settings: map[string]string{"key": "the-token", "server": s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	z.pauses = nil
	return z, f, gate
}

func TestHE(t *testing.T) {
	z, f, _ := openHETest(t, "")
	long := "v=spf1 " + strings.Repeat("ip4:192.0.2.123 ", 30) + "-all"
	for _, c := range []change{
		{mail.DNSKey("mail."+testZone, "A"), []string{"192.0.2.1"}, []string{"2.2.2.2"}},
		{mail.TaggedTXT("mail."+testZone, "v=spf1"), []string{`"v=spf1 -all"`}, []string{`"v=spf1 a -all"`}},
		{mail.DNSKey("mail."+testZone, "TXT"), []string{`"v=spf1 a -all"`}, []string{mail.TextData(long)}},
	} {
		before := f.dns.Dump(testZone)
		if _, err := z.Read(t.Context(), []plan.Key{c.key}); err != nil {
			t.Fatal(err)
		}
		if why := z.RefusesChange(c.plan()); why != "" {
			t.Errorf("%v: %s", c.key, why)
		}
		if err := applyAll(t, z, c); err != nil {
			t.Errorf("%v: %v", c.key, err)
		}
		if after := f.dns.Dump(testZone); len(after) != len(before) {
			t.Errorf("%v: %d records became %d", c.key, len(before), len(after))
		}
	}
}

// What the interface can't do is known before anything is written, and refused all the same.
func TestHERefuses(t *testing.T) {
	z, f, gate := openHETest(t, "")
	before := f.dns.Dump(testZone)
	for _, c := range []change{
		{mail.DNSKey("new."+testZone, "A"), nil, []string{"2.2.2.2"}},
		{mail.DNSKey("mail."+testZone, "A"), []string{"192.0.2.1"}, nil},
		{mail.DNSKey("mail."+testZone, "A"), []string{"192.0.2.1"}, []string{"2.2.2.2", "2.2.2.3"}},
		{mail.DNSKey("two."+testZone, "A"), []string{"192.0.2.1", "192.0.2.2"}, []string{"2.2.2.2"}},
		{mail.TaggedTXT(testZone, "v=spf1"), nil, []string{`"v=spf1 -all"`}},
	} {
		if _, err := z.Read(t.Context(), []plan.Key{c.key}); err != nil {
			t.Fatal(err)
		}
		if why := z.RefusesChange(c.plan()); !strings.Contains(why, "he only changes what is there") {
			t.Errorf("%v: %q", c.key, why)
		}
		if err := applyAll(t, z, c); err == nil {
			t.Errorf("%v was carried out", c.key)
		}
	}
	if why := z.Refuses(plan.Item{Key: mail.DNSKey(testZone, "MX"), Lines: []string{"10 mail.nomeazienda.it."}}); !strings.Contains(why, "takes no MX records") {
		t.Errorf("MX: %q", why)
	}
	if len(gate.Requests()) > 0 || len(f.dns.Dump(testZone)) != len(before) {
		t.Error("something was asked for")
	}
}

func TestHEAnswers(t *testing.T) {
	for say, want := range map[string]string{
		"badauth":          "marked as dynamic, with this DDNS key",
		"nohost":           "make the record in the zone's page first",
		"notxt":            "make the record in the zone's page first",
		"interval":         "run this again in a few minutes",
		"<html>sorry":      "a web page instead of an answer",
		"good 2.2.2.2":     "written, but",
		"something else !": "something else !",
	} {
		z, _, _ := openHETest(t, say)
		err := applyAll(t, z, change{mail.DNSKey("mail."+testZone, "A"), []string{"192.0.2.1"}, []string{"2.2.2.2"}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "the-token") {
			t.Errorf("%s: %v, want ... %s ...", say, err, want)
		}
	}
}
