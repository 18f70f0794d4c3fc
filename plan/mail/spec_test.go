package mail

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// nomeazienda is the site that must always work.
func nomeazienda() Spec {
	s := Spec{
		Name:    "nomeazienda",
		Host:    "mail.nomeazienda.it.",
		Address: netip.MustParseAddr("10.10.10.10"),
		Public:  []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Domains: []Domain{{Name: "nomeazienda.it.", MX: []MX{{"mail.nomeazienda.it.", 10}}}},
		Zones:   []Zone{{Name: "nomeazienda.it.", TTL: 3600}},
		Service: MailService{Aliases: []Alias{{"postmaster", "mario"},
			{"abuse@nomeazienda.it", "lucia"}}},
		Lease: time.Hour,
	}

	for name, port := range map[string]uint16{"smtp": 25, "pop3": 110, "imap": 143,
		"worldclient": 3000, "webadmin": 1000} {
		s.Forwards = append(s.Forwards, Forward{name, "tcp", port, port})
	}

	return s
}

func flat(items []plan.Item) map[string]string {
	m := map[string]string{}
	for _, it := range items {
		m[it.Key.Name] = strings.Join(it.Lines, " | ")
	}
	return m
}

func compareMaps(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s is %q, want %q", what, k, got[k], v)
		}
		delete(got, k)
	}

	for k, v := range got {
		t.Errorf("%s: %s is wanted too: %q", what, k, v)
	}
}

func TestWants(t *testing.T) {
	w, err := nomeazienda().Desired()
	if err != nil {
		t.Fatal(err)
	}

	compareMaps(t, "zone", flat(w.Zones["nomeazienda.it."]), map[string]string{
		"mail.nomeazienda.it. A":          "2.2.2.2 ttl 3600",
		"mail.nomeazienda.it. TXT v=spf1": `"v=spf1 a -all"`,
		"nomeazienda.it. TXT v=spf1":      `"v=spf1 mx ip4:2.2.2.2 -all"`,
		"nomeazienda.it. MX":              "10 mail.nomeazienda.it. ttl 3600",
	})

	compareMaps(t, "by hand", flat(w.ByHand),
		map[string]string{"2.2.2.2.in-addr.arpa. PTR": "mail.nomeazienda.it."})

	compareMaps(t, "router", flat(w.Forwards), map[string]string{
		"tcp/25": "10.10.10.10:25", "tcp/110": "10.10.10.10:110", "tcp/143": "10.10.10.10:143",
		"tcp/3000": "10.10.10.10:3000", "tcp/1000": "10.10.10.10:1000",
	})

	compareMaps(t, "service", flat(w.Service), map[string]string{
		"hostname": "mail.nomeazienda.it", "domain nomeazienda.it": "served",
		"alias postmaster": "mario", "alias postmaster@nomeazienda.it": "mario",
		"alias abuse": "postmaster", "alias abuse@nomeazienda.it": "lucia",
		"mailbox mario": Exists, "mailbox postmaster": Exists, "mailbox lucia": Exists,
		"listen": "10.10.10.10:25", "delivery": "direct", "relaying": Refused,
		"senders": Authenticated, "recipients": KnownOnly,
		"account root": Unreachable, "account test": Unreachable, "line ends": StrictEnds,
		"vrfy": Silent, "passwords": StrongOnly,
		"hosts mail.nomeazienda.it": NotElsewhere,
	})
}

// A TTL beside the mail host's or a domain's records is theirs, and another beside one of them wins. Where
// none is given, the zone's is for what is new alone.
func TestTTLOfRecords(t *testing.T) {
	s := nomeazienda()
	s.Zones[0].KeepTTL = true
	s.TTL = 300
	s.DANE = DANE{Ports: []uint16{25}, Digests: []string{"aa"}, TTL: 60}
	s.Domains[0].DMARC = DMARC{Policy: "none", TTL: 120}
	s.Domains[0].Services = []Service{{Name: "imaps", Host: "mail.nomeazienda.it.", Port: 993, TTL: 90},
		{Name: "pop3s", Host: ".", Port: 995}}

	s.Domains[0].DKIM = []DKIM{{Selector: "m1", Text: "v=DKIM1; p=AA", TTL: 30}}
	s.Domains = append(s.Domains, Domain{
		Name:  "altra.it.",
		TTL:   7200,
		MX:    []MX{{"mail.nomeazienda.it.", 10}},
		DMARC: DMARC{Policy: "none"},
	})

	s.Zones = append(s.Zones, Zone{
		Name: "altra.it.",
		TTL:  3600,
	}, Zone{
		Name: "2.2.2.in-addr.arpa.",
		TTL:  -1,
	})

	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	compareMaps(t, "zone", flat(w.Zones["nomeazienda.it."]), map[string]string{
		"mail.nomeazienda.it. A":             "2.2.2.2 ttl 300",
		"mail.nomeazienda.it. TXT v=spf1":    `"v=spf1 a -all"`,
		"nomeazienda.it. TXT v=spf1":         `"v=spf1 mx ip4:2.2.2.2 -all"`,
		"nomeazienda.it. MX":                 "10 mail.nomeazienda.it. ttl 3600",
		"_25._tcp.mail.nomeazienda.it. TLSA": "3 1 1 aa ttl 60",
		"_dmarc.nomeazienda.it. TXT":         `"v=DMARC1; p=none" ttl 120`,
		"_imaps._tcp.nomeazienda.it. SRV":    "0 1 993 mail.nomeazienda.it. ttl 90",
		"_pop3s._tcp.nomeazienda.it. SRV":    "0 1 995 . ttl 3600",
		"m1._domainkey.nomeazienda.it. TXT":  `"v=DKIM1; p=AA" ttl 30`,
	})

	compareMaps(t, "second zone", flat(w.Zones["altra.it."]), map[string]string{
		"altra.it. MX":         "10 mail.nomeazienda.it. ttl 7200",
		"altra.it. TXT v=spf1": `"v=spf1 mx ip4:2.2.2.2 -all"`,
		"_dmarc.altra.it. TXT": `"v=DMARC1; p=none" ttl 7200`,
	})

	compareMaps(t, "a zone whose TTL can't be chosen", flat(w.Zones["2.2.2.in-addr.arpa."]),
		map[string]string{"2.2.2.2.in-addr.arpa. PTR": "mail.nomeazienda.it."})

	is := []string{"2.2.2.2 ttl 3600"}
	for _, it := range w.Zones["nomeazienda.it."] {
		if it.Key == DNSKey("mail.nomeazienda.it", "A") &&
			it.Fit(is, it.Lines)[0] != "2.2.2.2 ttl 300" {
			t.Errorf("a TTL that is given for the mail host is not written: %v",
				it.Fit(is, it.Lines))
		}

		if it.Key == DNSKey("nomeazienda.it", "MX") &&
			it.Fit([]string{"10 mail.nomeazienda.it. ttl 60"},
				it.Lines)[0] != "10 mail.nomeazienda.it. ttl 60" {
			t.Errorf("a TTL that nobody gave is written: %v",
				it.Fit([]string{"10 mail.nomeazienda.it. ttl 60"}, it.Lines))
		}
	}
}

// A server with two lines is published at both.
func TestTwoLines(t *testing.T) {
	s := nomeazienda()
	s.Public = append(s.Public, netip.MustParseAddr("3.3.3.3"))
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	zone := flat(w.Zones["nomeazienda.it."])
	if got := zone["mail.nomeazienda.it. A"]; got != "2.2.2.2 ttl 3600 | 3.3.3.3 ttl 3600" {
		t.Errorf("A is %q", got)
	}

	if got := zone["nomeazienda.it. TXT v=spf1"]; got != `"v=spf1 mx ip4:2.2.2.2 ip4:3.3.3.3 -all"` {
		t.Errorf("SPF is %q", got)
	}

	if len(w.ByHand) != 2 {
		t.Errorf("by hand: %v", w.ByHand)
	}
}

func TestWantsReverseZone(t *testing.T) {
	s := nomeazienda()
	s.Zones = append(s.Zones, Zone{Name: "2.2.2.in-addr.arpa.", TTL: 600})
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	compareMaps(t, "reverse zone", flat(w.Zones["2.2.2.in-addr.arpa."]),
		map[string]string{"2.2.2.2.in-addr.arpa. PTR": "mail.nomeazienda.it. ttl 600"})

	if len(w.ByHand) != 0 {
		t.Errorf("by hand: %v", w.ByHand)
	}
}

func TestWantsByHand(t *testing.T) {
	s := nomeazienda()
	s.Zones[0].ByHand = true
	s.Router = RouterByHand
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	items := append(w.Zones["nomeazienda.it."], w.Forwards...)
	for _, it := range items {
		if it.ByHand == "" {
			t.Errorf("%s says nothing about what to do by hand", it.Key)
		}
		if strings.Contains(strings.Join(it.Lines, ""), " ttl ") {
			t.Errorf("%s asks a person for a TTL: %q", it.Key, it.Lines)
		}
	}
}

func TestWantsLongestZone(t *testing.T) {
	s := nomeazienda()
	s.Zones = append(s.Zones, Zone{Name: "mail.nomeazienda.it.", TTL: 60})
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	if got := flat(w.Zones["mail.nomeazienda.it."])["mail.nomeazienda.it. A"]; got != "2.2.2.2 ttl 60" {
		t.Errorf("A in the zone of the host itself is %q", got)
	}

	s.Zones = s.Zones[1:]
	if _, err := s.Desired(); err == nil || !strings.Contains(err.Error(),
		`"nomeazienda.it."`) {
		t.Errorf("a domain without a zone: %v", err)
	}
}

// A mail host that is a mail domain too has one SPF record, the domain's.
func TestWantsHostIsDomain(t *testing.T) {
	s := nomeazienda()
	s.Host = "nomeazienda.it."
	s.Domains[0].MX[0].Host = "nomeazienda.it."
	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	compareMaps(t, "zone", flat(w.Zones["nomeazienda.it."]), map[string]string{
		"nomeazienda.it. A":          "2.2.2.2 ttl 3600",
		"nomeazienda.it. TXT v=spf1": `"v=spf1 mx ip4:2.2.2.2 -all"`,
		"nomeazienda.it. MX":         "10 nomeazienda.it. ttl 3600",
	})

	if n := len(w.Zones["nomeazienda.it."]); n != 3 {
		t.Errorf("%d items in the zone", n)
	}
}
