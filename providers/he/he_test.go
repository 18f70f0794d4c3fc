package he

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
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
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
	case r.Method != http.MethodPost || r.URL.Path != "/nic/update" ||
		r.FormValue("password") != "the-token":
		fmt.Fprintln(w, "badauth")
		return
	}

	value := r.FormValue("myip")
	rrtype := "A"
	if r.Form.Has("txt") {
		value = record.Quoted(r.FormValue("txt"))
		rrtype = "TXT"
	} else if strings.Contains(value, ":") {
		rrtype = "AAAA"
	}

	m := new(dns.Msg).SetUpdate(zonetest.Zone)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: host,
		Rrtype: dns.StringToType[rrtype]}}})

	rr, err := dns.NewRR(host + " 300 IN " + rrtype + " " + value)
	if err != nil {
		fmt.Fprintln(w, "notfqdn")
		return
	}

	m.Insert([]dns.RR{rr})
	zonetest.Update(f.t, f.dns.Addr(), m)
	fmt.Fprintln(w, "good "+value)
}

func openHETest(t *testing.T, say string) (*zone.Zone, *fakeHE, *providertest.Gate) {
	s := zonetest.Start(t, func(c *authdns.Config) {
		c.Zones = map[string]string{zonetest.Zone: zonetest.Text +
			"mail 300 IN A 192.0.2.1\nmail 300 IN TXT \"v=spf1 -all\"\ntwo 300 IN A 192.0.2.1\ntwo 300 IN A 192.0.2.2\n"}
	})

	f := &fakeHE{t: t, dns: s, say: say}
	gate := providertest.NewGate(t, f)
	z, err := zone.Open(Provider(), zone.Options{
		Zone:       zonetest.Zone,
		HTTPClient: gate.Client(),
		Settings:   map[string]string{"key": "the-token", "server": s.Addr()},
	})

	if err != nil {
		t.Fatal(err)
	}

	z.Pauses = nil
	return z, f, gate
}

func TestHE(t *testing.T) {
	z, f, _ := openHETest(t, "")
	long := "v=spf1 " + strings.Repeat("ip4:192.0.2.123 ", 30) + "-all"
	for _, c := range []zonetest.Change{
		{Key: mail.DNSKey("mail."+zonetest.Zone, "A"), Before: []string{"192.0.2.1"}, After: []string{"2.2.2.2"}},
		{Key: mail.TaggedTXT("mail."+zonetest.Zone, "v=spf1"), Before: []string{`"v=spf1 -all"`}, After: []string{`"v=spf1 a -all"`}},
		{Key: mail.DNSKey("mail."+zonetest.Zone, "TXT"), Before: []string{`"v=spf1 a -all"`}, After: []string{mail.TextData(long)}},
	} {
		before := f.dns.Dump(zonetest.Zone)
		if _, err := z.Read(t.Context(), []plan.Key{c.Key}); err != nil {
			t.Fatal(err)
		}

		if why := z.RefusesChange(c.Plan()); why != "" {
			t.Errorf("%v: %s", c.Key, why)
		}

		if err := zonetest.ApplyAll(t, z, c); err != nil {
			t.Errorf("%v: %v", c.Key, err)
		}

		if after := f.dns.Dump(zonetest.Zone); len(after) != len(before) {
			t.Errorf("%v: %d records became %d", c.Key, len(before), len(after))
		}
	}
}

// What the interface can't do is known before anything is written, and refused all the same.
func TestHERefuses(t *testing.T) {
	z, f, gate := openHETest(t, "")
	before := f.dns.Dump(zonetest.Zone)
	for _, c := range []zonetest.Change{
		{Key: mail.DNSKey("new."+zonetest.Zone, "A"), Before: nil, After: []string{"2.2.2.2"}},
		{Key: mail.DNSKey("mail."+zonetest.Zone, "A"), Before: []string{"192.0.2.1"}, After: nil},
		{Key: mail.DNSKey("mail."+zonetest.Zone, "A"), Before: []string{"192.0.2.1"}, After: []string{"2.2.2.2", "2.2.2.3"}},
		{Key: mail.DNSKey("two."+zonetest.Zone, "A"), Before: []string{"192.0.2.1", "192.0.2.2"}, After: []string{"2.2.2.2"}},
		{Key: mail.TaggedTXT(zonetest.Zone, "v=spf1"), Before: nil, After: []string{`"v=spf1 -all"`}},
	} {
		if _, err := z.Read(t.Context(), []plan.Key{c.Key}); err != nil {
			t.Fatal(err)
		}

		if why := z.RefusesChange(c.Plan()); !strings.Contains(why,
			"he only changes what is there") {
			t.Errorf("%v: %q", c.Key, why)
		}

		if err := zonetest.ApplyAll(t, z, c); err == nil {
			t.Errorf("%v was carried out", c.Key)
		}
	}

	if why := z.Refuses(plan.Item{
		Key:   mail.DNSKey(zonetest.Zone, "MX"),
		Lines: []string{"10 mail.nomeazienda.it."},
	}); !strings.Contains(why, "takes no MX records") {
		t.Errorf("MX: %q", why)
	}

	if len(gate.Requests()) > 0 || len(f.dns.Dump(zonetest.Zone)) != len(before) {
		t.Error("something was asked for")
	}
}

func TestHEAnswers(t *testing.T) {
	for say, want := range map[string]string{
		"badauth":          "marked as dynamic, with this DDNS key",
		"nohost":           "make the record in the zone's page first",
		"notxt":            "make the record in the zone's page first",
		"interval":         "run this again in a few minutes",
		"<html>sorry":      "the answer is a web page",
		"good 2.2.2.2":     "written, but",
		"something else !": "something else !",
	} {
		z, _, _ := openHETest(t, say)
		err := zonetest.ApplyAll(t, z, zonetest.Change{
			Key:    mail.DNSKey("mail."+zonetest.Zone, "A"),
			Before: []string{"192.0.2.1"},
			After:  []string{"2.2.2.2"},
		})

		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "the-token") {
			t.Errorf("%s: %v, want ... %s ...", say, err, want)
		}
	}
}
