package nat

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

// manual is a router that only its owner can set up.
type manual struct{}

func (manual) Protocol() string { return "manual" }
func (manual) String() string   { return "router set up by hand" }

func (manual) WAN(context.Context) (netip.Addr, error) {
	return netip.Addr{}, errors.New("not known, as the router is set up by hand")
}

func (manual) Read(_ context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	found := make([]forward.Mapping, len(ports))
	for i, p := range ports {
		found[i] = forward.Mapping{Port: p, Unread: errors.New("entered by hand in the router; proved by verify from outside")}
	}
	return found, nil
}

func (manual) Add(context.Context, forward.Port, forward.Target, time.Duration) error {
	return errors.New("enter it by hand in the router")
}

func (manual) Remove(context.Context, forward.Port, forward.Target) error {
	return errors.New("remove it by hand in the router")
}
