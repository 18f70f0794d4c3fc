package plantest

import (
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// The suite is itself tried on the simplest driver there is.
func TestMemory(t *testing.T) {
	Run(t, func(t *testing.T) Harness {
		m := NewMemory("dns")
		m.Set(mail.DNSKey("stranger.example", "A"), []string{"192.0.2.1 ttl 60"})
		return Harness{
			Driver: m,
			Items: []plan.Item{
				{Key: mail.DNSKey("a.example", "A"), Lines: []string{"192.0.2.2 ttl 60"}},
				{Key: mail.DNSKey("a.example", "MX"), Lines: []string{"10 a.example. ttl 60", "20 b.example. ttl 60"}},
			},
			Other:   []string{"192.0.2.3 ttl 60"},
			Foreign: func(_ *testing.T, k plan.Key, lines []string) { m.Set(k, lines) },
			Strangers: func(*testing.T) []string {
				return m.Snapshot()[mail.DNSKey("stranger.example", "A")]
			},
		}
	})
}
