package nat

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan/netaddr"
)

// WAN returns the address that the router itself has outside. When that is not a
// public one the error wraps ErrDoubleNAT and says what it is, and the address, where
// the router tells it, is returned as well. Routers that have no public address often
// tell none at all.
func (r *Router) WAN(ctx context.Context) (netip.Addr, error) {
	a, err := r.device.WAN(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s: WAN address: %w", r.device, err)
	}

	if !a.IsValid() {
		a = r.wanFromPCP(ctx)
	}

	if !a.IsValid() {
		return a, fmt.Errorf("%s: %w: it tells none, as routers do behind another router",
			r.device, ErrDoubleNAT)
	}
	if what := netaddr.NotPublic(a); what != "" {
		return a, fmt.Errorf("%s: %w: %s is %s", r.device, ErrDoubleNAT, a, what)
	}

	return a, nil
}

// wanFromPCP asks a router for its WAN address that has told none by another protocol: as one
// behind another router, it names it in its refusal by PCP alone. Not valid where it
// does not.
func (r *Router) wanFromPCP(ctx context.Context) netip.Addr {
	host := r.Address()
	if !host.Is4() || r.Protocol() == "pcp" {
		return netip.Addr{}
	}

	p, _, err := dialPCP(ctx, r.options, netip.AddrPortFrom(host, pcpPort),
		gateway.SourceAddr(host.String()), "the router")

	if err != nil {
		return netip.Addr{}
	}

	a, _ := p.WAN(ctx) // without one, or with a note, it is as before
	return a
}
