package cloudflare

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/cloudflaretest"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

const cfZone = "nomeazienda.it"

func startAPI(t *testing.T) *cloudflaretest.API {
	a := cloudflaretest.New(cfZone, "the-token")
	t.Cleanup(a.Close)
	a.Put(
		cloudflaretest.Record{
			Type:    "TXT",
			Name:    cfZone,
			Content: "bare verification",
			TTL:     1,
		},
		cloudflaretest.Record{
			Type:    "TXT",
			Name:    cfZone,
			Content: `"v=spf10 is no SPF"`,
			TTL:     120,
		},
		cloudflaretest.Record{
			Type:    "SRV",
			Name:    "odd." + cfZone,
			Content: "0 25 odd.example",
			TTL:     1,
			Data: map[string]any{"priority": 0, "weight": 0, "port": 25,
				"target": "odd.example"},
		},
		cloudflaretest.Record{
			Type:    "SVCB",
			Name:    "svc." + cfZone,
			Content: "1 . alpn=h2",
			TTL:     1,
		},
	)

	return a
}

func openCF(t *testing.T, a *cloudflaretest.API, token string) *zone.Zone {
	t.Helper()
	z, err := zone.Open(Provider(), zone.Options{
		Zone:       cfZone,
		HTTPClient: a.Client(),
		Settings:   map[string]string{"token": token},
	})

	if err != nil {
		t.Fatal(err)
	}

	z.Pauses = nil
	return z
}

func texts(rs []cloudflaretest.Record) (out []string) {
	for _, r := range rs {
		out = append(out, r.String())
	}
	return out
}

func TestCloudflare(t *testing.T) {
	for _, noInfo := range []bool{false, true} {
		t.Run(fmt.Sprint("without result_info ", noInfo), func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) *providertest.Harness {
				return cloudflareHarness(t, noInfo)
			})
		})
	}
}

func cloudflareHarness(t *testing.T, noInfo bool) *providertest.Harness {
	a := startAPI(t)
	a.NoResultInfo = noInfo
	gate := providertest.NewGate(t, providertest.Before("http://api", a.Client().Transport))

	return &providertest.Harness{
		Zone:   zonetest.Zone,
		Web:    gate,
		Secret: "the-token",
		LowTTL: 30,
		Open: func(t *testing.T) plan.Driver {
			return webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token", gate.Client())
		},
		Put: func(t *testing.T, sets ...providertest.Set) {
			for _, s := range sets {
				name, rrtype, _ := strings.Cut(s.Key.Name, " ")
				name = strings.TrimSuffix(name, ".")
				rrtype = strings.Fields(rrtype)[0]
				a.Drop(name, rrtype)

				for _, l := range s.Lines {
					data, ttl := mail.SplitRecordLine(l)
					r := cloudflaretest.Record{
						Type:    rrtype,
						Name:    name,
						Content: data,
						TTL:     ttl,
					}

					if rrtype == "MX" {
						p, host, _ := strings.Cut(data, " ")
						n, _ := strconv.Atoi(p)
						r.Priority = &n
						r.Content = strings.TrimSuffix(host, ".")
					}

					a.Put(r)
				}
			}
		},
		Dump: func(*testing.T) []string { return texts(a.Records()) },
		Between: func(_ *testing.T, intrude func()) {
			gate.BeforeNth(1, gate.Writes, intrude)
		},
	}
}

// Every way in which libdns/cloudflare v0.2.2 loses data, and a few of the API's own.
func TestCloudflareKeepsData(t *testing.T) {
	n := func(i int) *int { return &i }
	long := "v=spf1 " + strings.Repeat("ip4:192.0.2.123 ", 30) + "-all"
	tests := []struct {
		name string
		have []cloudflaretest.Record
		zonetest.Change
		want []string
	}{
		{"two records of a new name both stay", nil,
			zonetest.Change{Key: mail.DNSKey("a."+cfZone, "A"), Before: nil, After: []string{"192.0.2.1 ttl 60", "192.0.2.2 ttl 60"}},
			[]string{"a.nomeazienda.it 60 A 192.0.2.1", "a.nomeazienda.it 60 A 192.0.2.2"}},
		{"one of two SRV records is deleted", []cloudflaretest.Record{
			{Type: "SRV", Name: "_imap._tcp." + cfZone, Content: "1 143 a.example", TTL: 300, Data: map[string]any{"priority": 0, "weight": 1, "port": 143, "target": "a.example"}},
			{Type: "SRV", Name: "_imap._tcp." + cfZone, Content: "1 143 b.example", TTL: 300, Data: map[string]any{"priority": 0, "weight": 1, "port": 143, "target": "b.example"}}},
			zonetest.Change{Key: mail.DNSKey("_imap._tcp."+cfZone, "SRV"), Before: []string{"0 1 143 a.example. ttl 300", "0 1 143 b.example. ttl 300"}, After: []string{"0 1 143 b.example. ttl 300"}},
			[]string{"_imap._tcp.nomeazienda.it 300 SRV 1 143 b.example"}},
		{"SRV with priority and weight 0", nil,
			zonetest.Change{Key: mail.DNSKey("_pop3._tcp."+cfZone, "SRV"), Before: nil, After: []string{"0 0 110 mail.nomeazienda.it. ttl 300"}},
			[]string{"_pop3._tcp.nomeazienda.it 300 SRV 0 110 mail.nomeazienda.it priority 0"}},
		{"an MX of another preference stays", []cloudflaretest.Record{
			{Type: "MX", Name: cfZone, Content: "mx.example", Priority: n(10), TTL: 300},
			{Type: "MX", Name: cfZone, Content: "mx.example", Priority: n(20), TTL: 300}},
			zonetest.Change{Key: mail.DNSKey(cfZone, "MX"), Before: []string{"10 mx.example. ttl 300", "20 mx.example. ttl 300"}, After: []string{"20 mx.example. ttl 300"}},
			[]string{"nomeazienda.it 300 MX mx.example priority 20"}},
		{"MX with preference 0", nil,
			zonetest.Change{Key: mail.DNSKey(cfZone, "MX"), Before: nil, After: []string{"0 mail.nomeazienda.it. ttl 300"}},
			[]string{"nomeazienda.it 300 MX mail.nomeazienda.it priority 0"}},
		{"null MX", nil,
			zonetest.Change{Key: mail.DNSKey("nomail."+cfZone, "MX"), Before: nil, After: []string{"0 . ttl 300"}},
			[]string{"nomail.nomeazienda.it 300 MX . priority 0"}},
		{"TLSA with its fields", nil,
			zonetest.Change{Key: mail.DNSKey("_25._tcp.mail."+cfZone, "TLSA"), Before: nil, After: []string{"3 1 1 " + strings.Repeat("ab", 32) + " ttl 300"}},
			[]string{"_25._tcp.mail.nomeazienda.it 300 TLSA 3 1 1 " + strings.Repeat("ab", 32)}},
		{"CAA", nil,
			zonetest.Change{Key: mail.DNSKey(cfZone, "CAA"), Before: nil, After: []string{`0 issue "letsencrypt.org" ttl 300`}},
			[]string{`nomeazienda.it 300 CAA 0 issue "letsencrypt.org"`}},
		{"long text in pieces", nil,
			zonetest.Change{Key: mail.TaggedTXT(cfZone, "v=spf1"), Before: nil, After: []string{mail.TextData(long)}},
			[]string{`nomeazienda.it 1 TXT "` + long[:255] + `" "` + long[255:] + `"`}},
		{"text with quotes", nil,
			zonetest.Change{Key: mail.DNSKey("q."+cfZone, "TXT"), Before: nil, After: []string{`"a \"b\" \\ c" ttl 300`}},
			[]string{`q.nomeazienda.it 300 TXT "a \"b\" \\ c"`}},
		{"a proxied mail host is made an ordinary one, keeping its comment", []cloudflaretest.Record{
			{Type: "A", Name: "mail." + cfZone, Content: "2.2.2.2", TTL: 1, Proxied: true, Comment: "do not touch"}},
			zonetest.Change{Key: mail.DNSKey("mail."+cfZone, "A"), Before: []string{"2.2.2.2 ttl 1 proxied"}, After: []string{"2.2.2.2 ttl 300"}},
			[]string{"mail.nomeazienda.it 300 A 2.2.2.2"}},
		{"and back, where that is what was there before", []cloudflaretest.Record{
			{Type: "A", Name: "mail." + cfZone, Content: "2.2.2.2", TTL: 300}},
			zonetest.Change{Key: mail.DNSKey("mail."+cfZone, "A"), Before: []string{"2.2.2.2 ttl 300"}, After: []string{"2.2.2.2 ttl 1 proxied"}},
			[]string{"mail.nomeazienda.it 1 A 2.2.2.2 proxied"}},
		{"only the TTL changes", []cloudflaretest.Record{
			{Type: "A", Name: "mail." + cfZone, Content: "2.2.2.2", TTL: 1}},
			zonetest.Change{Key: mail.DNSKey("mail."+cfZone, "A"), Before: []string{"2.2.2.2 ttl 1"}, After: []string{"2.2.2.2 ttl 300"}},
			[]string{"mail.nomeazienda.it 300 A 2.2.2.2"}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := startAPI(t)
			before := texts(a.Records())
			a.Put(test.have...)
			if err := zonetest.ApplyAll(t, openCF(t, a, "the-token"), test.Change); err != nil {
				t.Fatal(err)
			}

			want := append(slices.Clone(before), test.want...)
			slices.Sort(want)
			if got := texts(a.Records()); !slices.Equal(got, want) {
				t.Errorf("the zone holds\n%s\nwant\n%s", strings.Join(got, "\n"),
					strings.Join(want, "\n"))
			}

			for _, r := range a.Records() {
				if len(test.have) > 0 && test.have[0].Comment != "" &&
					r.Name == test.have[0].Name && r.Comment != test.have[0].Comment {
					t.Errorf("the comment became %q", r.Comment)
				}
			}
		})
	}
}

func TestCloudflareErrors(t *testing.T) {
	key := mail.DNSKey("mail."+cfZone, "A")
	tests := []struct {
		name, zone, token, want string
	}{
		{"wrong token", cfZone, "wrong", "HTTP 403: Invalid access token (code 9109); the token must be valid and have Zone:Read and DNS:Edit"},
		{"unknown zone", "other.example", "the-token", `the token sees 0 zones named "other.example", want 1`},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := startAPI(t)
			z, err := zone.Open(Provider(), zone.Options{
				Zone:       test.zone,
				HTTPClient: a.Client(),
				Settings:   map[string]string{"token": test.token},
			})

			if err != nil {
				t.Fatal(err)
			}

			_, err = z.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+test.zone, "A")})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ... %s ...", err, test.want)
			}

			if err != nil && strings.Contains(err.Error(), "the-token") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}

	t.Run("refused write", func(t *testing.T) {
		a := startAPI(t)
		a.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				cloudflaretest.Refuse(w, http.StatusForbidden, 10000, "Authentication error")
			}
			return r.Method == http.MethodPost
		}

		before := texts(a.Records())
		err := zonetest.ApplyAll(t, openCF(t, a, "the-token"), zonetest.Change{
			Key:    key,
			Before: nil,
			After:  []string{"2.2.2.2 ttl 300"},
		})

		if err == nil || !strings.Contains(err.Error(), "Authentication error") {
			t.Errorf("got %v", err)
		}

		if !slices.Equal(texts(a.Records()), before) {
			t.Error("something was written")
		}
	})
}

// A batch that breaks off in the middle tells what is in place: the changes before.
func TestCloudflareBreaksOff(t *testing.T) {
	a := startAPI(t)
	a.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if n := len(a.Requests()); r.Method == http.MethodPost && n > 0 &&
			strings.Count(strings.Join(a.Requests(), "\n"), "POST") > 1 {
			cloudflaretest.Refuse(w, http.StatusInternalServerError, 1, "Internal error")
			return true
		}
		return false
	}

	var done []string
	items := zonetest.MailItems()
	batch := []plan.Change{
		zonetest.Change{Key: items[0].Key, Before: nil, After: items[0].Lines}.Plan(),
		zonetest.Change{Key: items[2].Key, Before: nil, After: items[2].Lines}.Plan(),
		zonetest.Change{Key: items[3].Key, Before: nil, After: items[3].Lines}.Plan(),
	}

	err := openCF(t, a, "the-token").Apply(t.Context(), batch, func(c plan.Change, err error) {
		done = append(done, c.Key.Name)
		if (err == nil) != (c.Key == items[0].Key) {
			t.Errorf("%v was reported with %v", c.Key, err)
		}
	})

	if err == nil || !strings.Contains(err.Error(), "Internal error") || len(done) != 2 {
		t.Errorf("got %v after %q", err, done)
	}
}

func TestSentRight(t *testing.T) {
	tests := []struct {
		rec  libdns.Record
		want bool
	}{
		{libdns.TXT{Text: "v=spf1 -all"}, true},
		{libdns.TXT{Text: strings.Repeat("x", 256)}, false},
		{libdns.TXT{Text: `say "hi"`}, false},
		{libdns.TXT{Text: "tab\t"}, false},
		{libdns.TXT{Text: "è"}, false},
		{libdns.MX{Preference: 10, Target: "a."}, true},
		{libdns.MX{Target: "a."}, false},
		{libdns.MX{Preference: 10, Target: "."}, false},
		{libdns.SRV{}, false},
		{libdns.RR{Type: "TLSA"}, false},
	}

	for _, test := range tests {
		if got := sentRight(test.rec); got != test.want {
			t.Errorf("%#v: %v, want %v", test.rec, got, test.want)
		}
	}
}
