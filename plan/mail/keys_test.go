package mail

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// A PTR goes into the zone that holds it: the usual one, or a classless one (RFC 2317).
func TestPointerName(t *testing.T) {
	for _, test := range []struct{ address, zone, want string }{
		{"2.2.2.2", "2.2.2.in-addr.arpa.", "2.2.2.2.in-addr.arpa."},
		{"2.2.2.2", "0/25.2.2.2.in-addr.arpa.", "2.0/25.2.2.2.in-addr.arpa."},
		{"2.2.2.2", "0_25.2.2.2.in-addr.arpa.", "2.0_25.2.2.2.in-addr.arpa."},
		{"2.2.2.200", "128-255.2.2.2.in-addr.arpa.", "200.128-255.2.2.2.in-addr.arpa."},
		{"2.2.2.200", "0/25.2.2.2.in-addr.arpa.", "200.2.2.2.in-addr.arpa."}, // another range
		{"2.2.3.2", "0/25.2.2.2.in-addr.arpa.", "2.3.2.2.in-addr.arpa."},     // another network
		{"2.2.2.2", "office.2.2.2.in-addr.arpa.", "2.2.2.2.in-addr.arpa."},   // no range
		{"2.2.2.2", "0/20.2.2.2.in-addr.arpa.", "2.2.2.2.in-addr.arpa."},     // more than a network
		{"2001:db8::2", "0/25.2.2.2.in-addr.arpa.", ReverseName(netip.MustParseAddr("2001:db8::2"))},
	} {
		s := Spec{Zones: []Zone{{Name: "nomeazienda.it."}, {Name: test.zone}}}
		if got := s.pointerName(netip.MustParseAddr(test.address)); got != test.want {
			t.Errorf("%s with %s: %s, want %s", test.address, test.zone, got, test.want)
		}
	}
}

// everything is a site that asks for every record.
func everything() Spec {
	return Spec{
		Name:    "s",
		Host:    "mail.nomeazienda.it.",
		Address: netip.MustParseAddr("10.10.10.10"),
		Public:  []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Zones:   []Zone{{Name: "nomeazienda.it.", TTL: 60}},
		DANE:    DANE{Ports: []uint16{25}, Digests: []string{"AB", "cd", "ab"}},
		Domains: []Domain{{
			Name: "nomeazienda.it.", MX: []MX{{"mail.nomeazienda.it.", 10}, {"mx2.example.net.", 20}},
			DKIM:       []DKIM{{Selector: "a", Text: "v=DKIM1; p=x"}, {Selector: "b", Missing: "no key yet"}, {Selector: "c"}},
			MTASTS:     MTASTS{Mode: "enforce", MX: []string{"*.Example.NET.", "mail.nomeazienda.it."}, MaxAge: time.Hour, Host: "web.example.net."},
			Autoconfig: "mail.nomeazienda.it.",
		}},
	}
}

func TestEverythingIsWanted(t *testing.T) {
	s := everything()
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	got := map[string]plan.Item{}
	for _, it := range w.Zones["nomeazienda.it."] {
		if it.Reason == "" {
			t.Errorf("%s: nobody says why", it.Key)
		}
		got[it.Key.Name] = it
	}

	policy := "version: STSv1|mode: enforce|mx: mail.nomeazienda.it|mx: mx2.example.net|mx: *.example.net|max_age: 3600"
	for name, want := range map[string]string{
		"a._domainkey.nomeazienda.it. TXT":   `"v=DKIM1; p=x" ttl 60`,
		"_25._tcp.mail.nomeazienda.it. TLSA": "3 1 1 ab ttl 60|3 1 1 cd ttl 60",
		"mta-sts.nomeazienda.it. CNAME":      "web.example.net. ttl 60",
		"_mta-sts.nomeazienda.it. TXT": `"v=STSv1; id=` +
			PolicyID(strings.Split(policy, "|")) + `" ttl 60`,
		"autoconfig.nomeazienda.it. CNAME":       "mail.nomeazienda.it. ttl 60",
		"autodiscover.nomeazienda.it. CNAME":     "mail.nomeazienda.it. ttl 60",
		"_autodiscover._tcp.nomeazienda.it. SRV": "0 1 443 mail.nomeazienda.it. ttl 60",
	} {
		if it, ok := got[name]; !ok || strings.Join(it.Lines, "|") != want || it.ByHand != "" {
			t.Errorf("%s is %q by hand %q, want %q", name, it.Lines, it.ByHand, want)
		}
	}

	if it := got["b._domainkey.nomeazienda.it. TXT"]; it.ByHand != "no key yet" {
		t.Errorf("a key that is not there: %+v", it)
	}

	it := got[DKIM{Selector: "c"}.RecordKey("nomeazienda.it").Name]
	if it.ByHand != "" || len(it.Lines) != 1 ||
		!strings.Contains(it.Lines[0], "made by mailpub apply") ||
		!strings.Contains(it.Reason, "apply makes the key") {
		t.Errorf("a key that apply makes: %+v", it)
	}

	if len(w.Policies) != 1 || strings.Join(w.Policies[0].Lines, "|") != policy ||
		!strings.Contains(w.Policies[0].ByHand, "mailpub request policy nomeazienda.it") {
		t.Errorf("policies are %+v", w.Policies)
	}

	if len(w.ByHand) != 1 || w.ByHand[0].Key.Name != "2.2.2.2.in-addr.arpa. PTR" {
		t.Errorf("by hand is %+v", w.ByHand)
	}
}

// What can't be published as it is says why, and what is not asked for is not there.
func TestHeldBack(t *testing.T) {
	s := everything()
	s.Zones[0].Unsigned = "the zone is not signed"
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	i := slices.IndexFunc(w.Zones["nomeazienda.it."], func(it plan.Item) bool {
		return strings.HasSuffix(it.Key.Name, " TLSA")
	})

	if it := w.Zones["nomeazienda.it."][i]; it.ByHand != "not published: the zone is not signed" {
		t.Errorf("TLSA in an unsigned zone: %+v", it)
	}

	s.DANE.Digests = nil
	s.DANE.Missing = "the server does not answer"
	if w, err = s.Desired(); err != nil {
		t.Fatal(err)
	}

	if it := w.Zones["nomeazienda.it."][i]; it.ByHand == "" {
		t.Errorf("TLSA without a key: %+v", it)
	}

	d := &s.Domains[0]
	d.MTASTS = MTASTS{}
	d.Autoconfig = ""
	d.DKIM = nil
	s.DANE = DANE{}
	if w, err = s.Desired(); err != nil || w.Policies != nil {
		t.Fatal(err, w.Policies)
	}

	for _, it := range w.Zones["nomeazienda.it."] {
		for _, word := range []string{"mta-sts", "auto", "_domainkey", "TLSA"} {
			if strings.Contains(it.Key.Name, word) {
				t.Errorf("not asked for: %s", it.Key)
			}
		}
	}
}

// The id of a policy changes with the policy, and only with it.
func TestPolicyID(t *testing.T) {
	a := everything().Domains[0]
	b := everything().Domains[0]
	if PolicyID(a.Policy()) != PolicyID(b.Policy()) {
		t.Error("the same policy has two ids")
	}

	b.MX = b.MX[:1]
	b.MTASTS.MX = nil
	if PolicyID(a.Policy()) == PolicyID(b.Policy()) {
		t.Error("two policies have one id")
	}
}
