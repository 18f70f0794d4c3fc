package site

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Messages are sent at the start, once a day, while one fails, after a repair and from another public address.
func TestMessagesDue(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	address, other := netip.MustParseAddr("2.2.2.2"), netip.MustParseAddr("2.2.2.7")
	sent := func(ago time.Duration, status plan.Status) Monitor {
		return Monitor{sent: now.Add(-ago), messages: []plan.Check{{Status: plan.Pass}, {Status: status}}, public: []netip.Addr{address}}
	}
	for name, c := range map[string]struct {
		monitor Monitor
		public  netip.Addr
		due     bool
	}{
		"at the start, or after a repair": {Monitor{}, address, true},
		"an hour later":                   {sent(time.Hour, plan.Warn), address, false},
		"a day later":                     {sent(24*time.Hour, plan.Pass), address, true},
		"one failed":                      {sent(time.Minute, plan.Fail), address, true},
		"another address":                 {sent(time.Minute, plan.Pass), other, true},
	} {
		if got := c.monitor.messagesDue([]netip.Addr{c.public}, now); got != c.due {
			t.Errorf("%s: due is %v", name, got)
		}
	}
}
