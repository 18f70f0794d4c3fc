package nat

import (
	"context"
	"net/netip"
	"time"
)

// device is one router, spoken to in one protocol. Every method puts its own deadline
// on each step, and stops when ctx is done.
type device interface {
	protocol() string // "upnp", "nat-pmp", "manual"
	String() string   // for people: what it calls itself and where it is

	// wan returns the address that the router has outside; not valid where it tells none.
	wan(ctx context.Context) (netip.Addr, error)

	// read looks up ports. What is not mapped is left out. It fails when the router
	// as a whole can't be read.
	read(ctx context.Context, ports []port) ([]mapping, error)

	// add maps a port, or renews the mapping. The error wraps errNoAnswer where it is
	// not known whether the router did it; the caller reads back in any case.
	add(ctx context.Context, p port, to target, lease time.Duration) error

	// remove takes a mapping away. That it is gone already is no error.
	remove(ctx context.Context, p port, was target) error
}
