package zone

import (
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func TestRefuses(t *testing.T) {
	strict := Limits{
		MinTTL:  time.Minute,
		MaxTTL:  time.Hour,
		AutoTTL: 1,
		Types:   []string{"A", "TXT"},
		OneTTL:  true,
		ASCII:   true,
		NoText:  `"\`,
	}

	tests := []struct {
		name   string
		limits Limits
		rrtype string
		lines  []string
		want   string // "" for taken
	}{
		{"no limits", Limits{}, "TLSA", []string{"3 1 1 ab ttl 0"}, ""},
		{"within", strict, "A", []string{"192.0.2.1 ttl 60", "192.0.2.2 ttl 60"}, ""},
		{"automatic", strict, "A", []string{"192.0.2.1 ttl 1"}, ""},
		{"too short", strict, "A", []string{"192.0.2.1 ttl 59"}, "some does not take a TTL of 59 s: it takes none under 1m"},
		{"zero is not automatic", Limits{MinTTL: time.Minute}, "A", []string{"192.0.2.1 ttl 0"}, "takes none under 1m"},
		{"too long", strict, "A", []string{"192.0.2.1 ttl 3601"}, "takes none over 1h"},
		{"type", strict, "TLSA", []string{"3 1 1 ab ttl 60"}, "some takes no TLSA records"},
		{"two TTLs", strict, "A", []string{"192.0.2.1 ttl 60", "192.0.2.2 ttl 61"}, "have one TTL, not 60 s and 61 s"},
		{"UTF-8", strict, "TXT", []string{`"caff\195\168" ttl 60`}, "something else at octet 5"},
		{"quotes", strict, "TXT", []string{`"say \"hi\"" ttl 60`}, `does not keep "\""`},
		{"plain text", strict, "TXT", []string{`"v=spf1 -all; 100%" ttl 60`}, ""},
		{"nonsense", strict, "A", []string{"nonsense ttl 60"}, "is no data of a A record"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			z := &Zone{
				Name:     zonetest.Zone,
				ttl:      3600,
				provider: "some",
				limits:   test.limits,
			}

			got := z.Refuses(plan.Item{
				Key:   mail.DNSKey("x."+zonetest.Zone, test.rrtype),
				Lines: test.lines,
			})

			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%q, want ... %s ...", got, test.want)
			}
		})
	}

	z := &Zone{Name: zonetest.Zone, ttl: 3600}
	if got := z.Refuses(plan.Item{
		Key:   mail.DNSKey("x.example.org", "A"),
		Lines: []string{"192.0.2.1"},
	}); !strings.Contains(got, "outside") {
		t.Errorf("outside the zone: %q", got)
	}
}

func TestLimitsAsText(t *testing.T) {
	for _, test := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, "none known"},
		{Limits{MinTTL: time.Hour, MaxTTL: 24 * time.Hour}, "no TTL under 1h; no TTL over 24h"},
		{Limits{MinTTL: 90 * time.Minute, MaxTTL: 10 * time.Second}, "no TTL under 1h30m; no TTL over 10s"},
		{Limits{Types: []string{"A", "MX"}, ASCII: true}, "writes only A, MX; text in printable ASCII only"},
	} {
		if got := test.limits.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
