package nat

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// stateUPnP begins the driver's note of a grant by UPnP: the protocol, and where the router
// tells another lease than it was asked for, both: "upnp asked 3600 told 120".
const stateUPnP = "upnp"

// slack is by how much a countdown may be off.
const slack = 10 * time.Second

func isUPnP(state string) bool {
	return state == stateUPnP || strings.HasPrefix(state, stateUPnP+" asked ")
}

// leaseClock is what is kept of a lease that the router tells otherwise than it was asked for.
type leaseClock struct{ asked, told time.Duration }

func (n leaseClock) String() string {
	return fmt.Sprintf("%s asked %d told %d", stateUPnP, int(n.asked.Seconds()),
		int(n.told.Seconds()))
}

func parseLeaseNote(state string) (n leaseClock, ok bool) {
	var asked, told int64
	if _, err := fmt.Sscanf(state, stateUPnP+" asked %d told %d", &asked, &told); err != nil {
		return n, false
	}
	return leaseClock{time.Duration(asked) * time.Second,
		time.Duration(told) * time.Second}, true
}

// grantOf makes the grant of a mapping that was just made and read back. What the router tells
// of the lease is believed, but for none where one was asked: it tells 0 and lets the
// mapping lapse. Where it tells less than was asked, that is noted, as it may be untrue.
func (u *upnp) grantOf(m forward.Mapping) plan.Grant {
	g := m.Grant
	asked, known := u.leases[m.Port]
	switch {
	case !known || asked == 0:
	case g.Lifetime == 0:
		g.Lifetime = asked
	case g.Lifetime < asked-slack:
		g.State = leaseClock{asked, g.Lifetime}.String()
		before, _ := u.known(m.Key())
		n, noted := parseLeaseNote(before.State)
		if u.disproved[m.Port] || noted && before.Lifetime == n.asked {
			g.Lifetime = asked // it was seen before that what the router tells does not hold
		}
	}

	return g
}

// leaseEnd returns when a mapping that was read lapses, by what the router tells and the ledger
// knows; zero when it does not. whole is how long the lease is that ends then, where the router
// told another one than was asked for.
func (u *upnp) leaseEnd(m forward.Mapping) (at time.Time, whole time.Duration) {
	told := m.Grant.Lifetime
	if told > 0 {
		at = m.Grant.Expires()
	}

	g, known := u.known(m.Key())
	if !known || g.Lifetime == 0 || !isUPnP(g.State) {
		return at, 0
	}

	n, noted := parseLeaseNote(g.State)
	switch {
	case told == 0: // a lease was granted, whatever it tells now
		return g.Expires(), 0
	case !noted:
		return at, 0
	case g.Lifetime == n.asked || at.After(g.At.Add(n.told+slack)):
		u.disproved[m.Port] = true // it does not count down, so what it tells is no lease
		return g.At.Add(n.asked), n.asked
	}

	return at, n.told
}
