package main

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
	"github.com/mailpub/mailpub/providers"
)

// What a provider can't hold becomes a person's work, and the rest does not.
func TestHoldable(t *testing.T) {
	zone, err := providers.Open("desec", providers.Options{Zone: "example.org", Settings: map[string]string{"token": "t"}})
	if err != nil {
		t.Fatal(err)
	}
	items := []plan.Item{
		{Key: plan.DNSKey("mail.example.org", "A"), Lines: []string{"192.0.2.1 ttl 3600"}},
		{Key: plan.DNSKey("mail.example.org", "MX"), Lines: []string{"10 mail.example.org. ttl 5"}}, // a TTL below its least
	}
	got := holdable(zone, items)
	if got[0].ByHand != "" || !strings.Contains(got[1].ByHand, "by hand") {
		t.Errorf("by hand: %q, %q", got[0].ByHand, got[1].ByHand)
	}
	if same := holdable(plantest.NewMemory("dns"), items[:1]); same[0].ByHand != "" {
		t.Errorf("a driver without limits: %q", same[0].ByHand)
	}
}
