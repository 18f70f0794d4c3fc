package site

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

// What a provider can't hold becomes a manual step, and the rest does not.
func TestProviderLimits(t *testing.T) {
	zone, err := providers.Open("desec", zone.Options{
		Zone:     "example.org",
		Settings: map[string]string{"token": "t"},
	})

	if err != nil {
		t.Fatal(err)
	}

	items := []plan.Item{
		{Key: mail.DNSKey("mail.example.org", "A"), Lines: []string{"192.0.2.1 ttl 3600"}},
		{Key: mail.DNSKey("mail.example.org", "MX"), Lines: []string{"10 mail.example.org. ttl 5"}}, // a TTL below its least
	}

	got := applyProviderLimits(zone, items)
	if got[0].ByHand != "" || !strings.Contains(got[1].ByHand, "set it manually") {
		t.Errorf("by hand: %q, %q", got[0].ByHand, got[1].ByHand)
	}

	if same := applyProviderLimits(plantest.NewMemory("dns"), items[:1]); same[0].ByHand != "" {
		t.Errorf("a driver without limits: %q", same[0].ByHand)
	}
}

// What a provider can't do because of what is there, or is not, becomes a manual step too.
func TestChangeLimits(t *testing.T) {
	zone, err := providers.Open("he", zone.Options{
		Zone:     "example.org",
		Settings: map[string]string{"key": "k"},
	})

	if err != nil {
		t.Fatal(err)
	}

	parties := []Party{
		{plan.Party{Target: mail.ZoneTarget("example.org"), Driver: zone}, ""},
		newParty(mail.TargetRouter, plantest.NewMemory("forward"), ""),
	}

	changes := []plan.Change{
		{Target: mail.ZoneTarget("example.org"), Action: plan.Create, Key: mail.DNSKey("mail.example.org", "A"), After: []string{"192.0.2.1"}},
		{Target: plan.Target{Kind: mail.TargetRouter}, Action: plan.Create, Key: plan.Key{Kind: "forward", Name: "tcp/25"}},
		{Target: mail.ZoneTarget("example.org"), Action: plan.Manual, Key: mail.DNSKey("example.org", "MX"), Reason: "said already"},
	}

	applyChangeLimits(parties, changes)
	if c := changes[0]; c.Action != plan.Manual ||
		!strings.Contains(c.Reason, "he only changes what is there") {
		t.Errorf("%+v", c)
	}

	if changes[1].Action != plan.Create || changes[2].Reason != "said already" {
		t.Errorf("%+v", changes[1:])
	}
}
