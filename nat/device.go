package nat

import (
	"context"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

// device is one router, spoken to in one protocol. Every method puts its own deadline
// on each step, and stops when ctx is done.
type device interface {
	Protocol() string // "upnp", "nat-pmp", "manual"
	String() string   // for people: what it calls itself and where it is

	// wan returns the address that the router has outside; not valid where it tells none.
	WAN(ctx context.Context) (netip.Addr, error)

	// read looks up ports. What is not mapped is left out. It fails when the router
	// as a whole can't be read.
	Read(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error)

	// add maps a port, or renews the mapping. The error wraps errNoAnswer where it is
	// not known whether the router did it; the caller reads back in any case.
	Add(ctx context.Context, p forward.Port, to forward.Target, lease time.Duration) error

	// remove takes a mapping away. That it is gone already is no error.
	Remove(ctx context.Context, p forward.Port, was forward.Target) error
}
