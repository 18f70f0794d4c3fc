package nat

import (
	"context"
	"fmt"
	"net/netip"
)

// WAN returns the address that the router itself has outside. When that is not a
// public one the error wraps ErrDoubleNAT and says what it is, and the address, where
// the router tells it, is returned as well. Routers that have no public address often
// tell none at all.
func (r *Router) WAN(ctx context.Context) (netip.Addr, error) {
	a, err := r.device.wan(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s: WAN address: %w", r.device, err)
	}
	if !a.IsValid() {
		a = r.toldByPCP(ctx)
	}
	if !a.IsValid() {
		return a, fmt.Errorf("%s: %w: it tells none, as routers do behind another router", r.device, ErrDoubleNAT)
	}
	if what := notPublic(a); what != "" {
		return a, fmt.Errorf("%s: %w: %s is %s", r.device, ErrDoubleNAT, a, what)
	}
	return a, nil
}

// toldByPCP asks a router for its WAN address that has told none by another protocol: as one
// behind another router, it names it in its refusal by PCP alone. Not valid where it
// does not.
func (r *Router) toldByPCP(ctx context.Context) netip.Addr {
	host := r.Address()
	if !host.Is4() || r.Protocol() == "pcp" {
		return netip.Addr{}
	}
	p, _, err := meetPCP(ctx, r.options, netip.AddrPortFrom(host, pcpPort), localAddr(host.String()), "the router")
	if err != nil {
		return netip.Addr{}
	}
	a, _ := p.wan(ctx) // without one, or with a note, it is as before
	return a
}

// notPublic says what an address is that can't be reached from the Internet, or "".
func notPublic(a netip.Addr) string {
	for _, block := range []struct{ prefix, what string }{
		{"10.0.0.0/8", "private (RFC 1918)"},
		{"172.16.0.0/12", "private (RFC 1918)"},
		{"192.168.0.0/16", "private (RFC 1918)"},
		{"100.64.0.0/10", "shared by a provider's customers, carrier-grade NAT (RFC 6598)"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local: the router got no address (RFC 3927)"},
		{"0.0.0.0/8", "none (RFC 1122 section 3.2.1.3)"},
		{"192.0.0.0/24", "reserved (RFC 6890)"},
		{"192.0.2.0/24", "for documentation (RFC 5737)"},
		{"198.51.100.0/24", "for documentation (RFC 5737)"},
		{"203.0.113.0/24", "for documentation (RFC 5737)"},
		{"198.18.0.0/15", "for benchmarks (RFC 2544)"},
		{"224.0.0.0/3", "multicast or reserved (RFC 1112)"},
	} {
		if netip.MustParsePrefix(block.prefix).Contains(a.Unmap()) {
			return block.what
		}
	}
	return ""
}
