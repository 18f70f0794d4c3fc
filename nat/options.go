package nat

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Options says which router to use and how. The zero value finds the router by
// whatever protocol it answers.
type Options struct {
	Protocol string // "auto" (also ""), "upnp", "pcp", "nat-pmp", "nftables" or "manual"

	Selection
	Owner
	System

	patient bool // an answer is waited for longer, as there was one before
}

// Selection narrows down the router where several answer.
type Selection struct {
	URL       string     // of its UPnP description; saves the search
	Interface string     // the one that it is searched on; with nftables, that of the WAN
	Gateway   netip.Addr // default: the system's default gateway
	Gateway6  netip.Addr // default: the system's default gateway of IPv6
	IPv6      netip.Addr // the server's own address, for pinholes; not valid where none are wanted
}

// Owner is the site whose forwards these are, and what is known of them.
type Owner struct {
	// Site is what this site's mappings are marked with.
	Site string
	// Names returns what a forward is called, for its description in the router; nil, and "":
	// by its number.
	Names func(plan.Key) string
	// Recorded are the keys of the forwards that the ledger has: what made them is asked first.
	Recorded []plan.Key
	// Known returns what was granted for a key in an earlier run; nil for nothing.
	Known func(plan.Key) (plan.Grant, bool)
}

// System is the clock, the log and the network that a Router uses.
type System struct {
	Timeout time.Duration    // of each request; default 5 s
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // default: discards

	// Search is where UPnP searches are sent; default 239.255.255.250:1900, on every
	// network interface.
	Search netip.AddrPort

	// These list the system's default gateways; default: they ask the system.
	Gateways, Gateways6 func() ([]netip.Addr, error)
}

// protocolOption is a protocol that auto tries.
type protocolOption struct {
	protocol string
	open     func(context.Context, Options) (device, string, error)
}

type openResult struct {
	rank   int
	device device
	why    string
	err    error
}

// timeout is how long an answer is waited for.
func (o Options) timeout(usual time.Duration) time.Duration {
	if o.patient {
		return patience * usual
	}
	return usual
}

// How long is waited in Open. The standard lets a device take as long for its answer as the
// search says (MX, see search.go); some take three seconds all the same.
const (
	searchTime = 5 * time.Second         // for the first answer: MX, and what devices take beside
	pmpTime    = 2 * time.Second         // for an answer to NAT-PMP or PCP
	patience   = 3                       // times as long, of a protocol that made forwards
	upnpGrace  = 1200 * time.Millisecond // for a better protocol, once one has answered
	otherGrace = 600 * time.Millisecond  // for a second router, once one has answered that is not the gateway
)
