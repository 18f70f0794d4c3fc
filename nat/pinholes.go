package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/nat/nftables"
	"github.com/mailpub/mailpub/plan"
)

// errNoIPv6: the config wants no pinholes.
var errNoIPv6 = errors.New("no IPv6 address of the server is known")

// openPCP6 asks the gateway of IPv6 for PCP, the protocol of choice for pinholes: UPnP has
// none for ports below 1024.
func openPCP6(ctx context.Context, o Options) (device, string, error) {
	switch {
	case !o.IPv6.IsValid():
		return nil, "", errNoIPv6
	case o.Protocol == "manual" || o.Protocol == "nftables":
		return nil, "", errors.New("not asked")
	case o.URL != "" && !o.Gateway6.IsValid():
		return nil, "", errors.New("not asked, as the config names a router by its URL")
	case !gateway.IsLocal(o.IPv6):
		return nil, "", fmt.Errorf("%w: run mailpub on %s itself", ErrOtherHost, o.IPv6)
	}

	gateway, which, err := o.gateway6()
	if err != nil {
		return nil, "", err
	}

	return dialPCP(ctx, o, netip.AddrPortFrom(gateway, pcpPort), o.IPv6, which)
}

// openPinholes returns the device for pinholes: that of the forwards where it makes them itself,
// else PCP where it answers, else UPnP.
func (o Options) openPinholes(ctx context.Context, forwards device, byPCP openResult) device {
	switch d := forwards.(type) {
	case manual:
		return d
	case *nftables.Router:
		return d.Pinholes()
	}

	switch {
	case byPCP.err == nil:
		return byPCP.device
	case !o.IPv6.IsValid():
		return &noPinholes{errNoIPv6}
	}

	u, ok := forwards.(*upnp)
	if !ok {
		return &noPinholes{fmt.Errorf("no pinholes by pcp: %w", withoutErrNoRouter(byPCP.err))}
	}

	h, err := u.Pinholes(ctx, o)
	if err != nil {
		return &noPinholes{fmt.Errorf("no pinholes by pcp: %w; by upnp: %w",
			withoutErrNoRouter(byPCP.err), err)}
	}

	h.notPCP = withoutErrNoRouter(byPCP.err)
	return h
}

// BlockedPinholes says of each pinhole among the wanted ones that is not to be had why, so that
// nobody is led there. One that was granted and lasts is not among them: that the router
// says nothing just now takes nothing away. What comes in is not found out, and left out.
func (r *Router) BlockedPinholes(ctx context.Context, wanted []plan.Item) map[plan.Key]string {
	shut := map[plan.Key]string{}
	gate, ok := r.holes.(interface {
		Blocked(context.Context, forward.Port, forward.Target) string
	})

	for _, w := range wanted {
		p, to, err := forward.Parse(w.Key, w.Lines)
		if !ok || err != nil || !p.Pinhole() {
			continue
		}
		if g, granted := r.known(w.Key); granted && g.Lifetime > 0 &&
			r.now().Before(g.Expires()) {
			continue
		}

		if why := gate.Blocked(ctx, p, to); why != "" {
			shut[w.Key] = why
		}
	}

	return shut
}

// noPinholes stands for a router that makes no pinholes.
type noPinholes struct{ why error }

func (*noPinholes) Protocol() string { return "none" }
func (c *noPinholes) String() string { return "router without pinholes" }

func (c *noPinholes) WAN(context.Context) (netip.Addr, error) { return netip.Addr{}, c.why }

func (c *noPinholes) Blocked(context.Context, forward.Port, forward.Target) string {
	return c.why.Error()
}

func (c *noPinholes) Read(context.Context, []forward.Port) ([]forward.Mapping, error) {
	return nil, c.why
}
func (c *noPinholes) Add(context.Context, forward.Port, forward.Target, time.Duration) error {
	return c.why
}
func (c *noPinholes) Remove(context.Context, forward.Port, forward.Target) error { return c.why }

// Pinholes says in one line how pinholes are made, or why none can be; "" where no IPv6
// address of the server is known.
func (r *Router) Pinholes() string {
	switch d := r.holes.(type) {
	case *noPinholes:
		if errors.Is(d.why, errNoIPv6) {
			return ""
		}
		return d.why.Error()
	case manual:
		return "pinholes set manually"
	case *upnpPinholes:
		return fmt.Sprintf("pinholes by upnp, for ports from %d; not by pcp: %v",
			lowestPinhole, d.notPCP)
	}

	return fmt.Sprintf("pinholes by %s, %s", r.holes.Protocol(), r.holes)
}
