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
func (manual) String() string   { return "router configured manually" }

func (manual) WAN(context.Context) (netip.Addr, error) {
	return netip.Addr{}, errors.New("unknown: the router is configured manually")
}

func (manual) Read(_ context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	found := make([]forward.Mapping, len(ports))
	for i, p := range ports {
		found[i] = forward.Mapping{
			Port:   p,
			Unread: errors.New("set manually in the router; verify checks it from outside"),
		}
	}

	return found, nil
}

func (manual) Add(context.Context, forward.Port, forward.Target, time.Duration) error {
	return errors.New("set it in the router")
}

func (manual) Remove(context.Context, forward.Port, forward.Target) error {
	return errors.New("remove it in the router")
}
