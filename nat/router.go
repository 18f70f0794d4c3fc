package nat

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// Router is the plan.Driver of a router's forwards. Open makes it. It is not safe for
// concurrent use.
type Router struct {
	device device
	holes  device          // for pinholes
	former *formerProtocol // nil where the device made all that the ledger has
	auto   bool            // the protocol was not named by the config
	why    string
	mark   string
	known  func(plan.Key) (plan.Grant, bool)
	log    *slog.Logger
	now    func() time.Time

	options Options // of Open, with every default
}

// Protocol returns how the router is spoken to: "upnp", "pcp", "nat-pmp", "nftables" or "manual".
func (r *Router) Protocol() string { return r.device.Protocol() }

// ChoiceReason says in one line why this router and this protocol, and why not the others.
func (r *Router) ChoiceReason() string { return r.why }

// Device returns what the router calls itself and where it is.
func (r *Router) Device() string { return r.device.String() }

// Address returns the router's address on the LAN, which its announcements come from; not valid
// where it is not known, or the router announces nothing.
func (r *Router) Address() netip.Addr {
	switch d := r.device.(type) {
	case *upnp:
		return d.host()
	case *pmp:
		return d.gateway
	case *pcp:
		return d.gateway
	}

	return netip.Addr{}
}

// Lists reports whether the router can say what it maps of a key, whoever mapped it. NAT-PMP and
// PCP can't (RFC 6886 section 3.3 and RFC 6887 section 11 know requests alone), and UPnP lists
// no pinholes: there only what was granted to this account is known.
func (r *Router) Lists(k plan.Key) bool {
	p, err := forward.ParsePort(k)
	if err != nil {
		return false
	}

	switch r.deviceFor(p).Protocol() {
	case "pcp", "nat-pmp":
		return false
	case "upnp":
		return !p.Pinhole()
	}

	return true
}

// Kind implements plan.Driver.
func (r *Router) Kind() string { return forward.Kind }

// Read implements plan.Driver. Each port costs a request; a router is asked for its whole
// list only where it has no answer to that, as a list crashes some.
func (r *Router) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	found, err := r.lookupAll(ctx, keys)
	if err != nil {
		return nil, err
	}

	items := make([]plan.Item, len(found))
	for i, m := range found {
		items[i] = r.item(m)
	}

	return items, nil
}

// item is a mapping as the plan has it.
func (r *Router) item(m forward.Mapping) plan.Item {
	it := plan.Item{Key: m.Key(), Again: m.Again, Unverified: m.Unverified}
	switch {
	case m.Unread != nil && m.Again == "":
		it.Unreadable = m.Unread.Error()
		return it
	case m.Unread != nil:
		return it
	}

	it.Lines = m.Lines()
	it.Marked = r.isOurs(m)
	it.Expires, it.Lifetime = r.lease(m)

	return it
}

// isOurs reports whether a mapping bears this site's mark.
func (r *Router) isOurs(m forward.Mapping) bool {
	return m.Description == r.mark || strings.HasPrefix(m.Description, r.mark+" ")
}

// leaseEnd returns when a mapping lapses; zero when it does not, or that is not known.
func (r *Router) leaseEnd(m forward.Mapping) time.Time {
	at, _ := r.lease(m)
	return at
}

// lease is lapse with the length of the whole lease, where that is another than was granted.
func (r *Router) lease(m forward.Mapping) (lapse time.Time, whole time.Duration) {
	if u, ok := r.deviceFor(m.Port).(*upnp); ok {
		return u.leaseEnd(m)
	}
	if m.Grant.Lifetime == 0 {
		return time.Time{}, 0
	}
	return m.Grant.Expires(), 0
}

// lookupAll reads the ports of keys, each by the device that made it.
func (r *Router) lookupAll(ctx context.Context, keys []plan.Key) ([]forward.Mapping, error) {
	ports := make([]forward.Port, len(keys))
	for i, k := range keys {
		var err error
		if ports[i], err = forward.ParsePort(k); err != nil {
			return nil, err
		}
	}

	return r.lookUpPorts(ctx, ports)
}

func (r *Router) lookUpPorts(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	var own, pinholes, former []forward.Port
	for _, p := range ports {
		switch {
		case p.Pinhole():
			pinholes = append(pinholes, p)
		case r.isFormer(p):
			former = append(former, p)
		default:
			own = append(own, p)
		}
	}

	var found []forward.Mapping
	if len(own) > 0 {
		got, err := r.device.Read(ctx, own)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.device, err)
		}
		found = append(found, got...)
	}

	if len(former) > 0 {
		found = append(found, r.readFormer(ctx, former)...)
	}

	if len(pinholes) > 0 {
		got, err := r.holes.Read(ctx, pinholes)
		if err != nil { // no reason to know nothing of the forwards
			got = nil
			for _, p := range pinholes {
				got = append(got, forward.Mapping{
					Port:   p,
					Unread: fmt.Errorf("%s: %w", r.holes, err),
				})
			}
		}

		found = append(found, got...)
	}

	return found, ctx.Err()
}

// deviceFor returns the device that a port is asked of.
func (r *Router) deviceFor(p forward.Port) device {
	if p.Pinhole() {
		return r.holes
	}
	return r.device
}

// Prepare implements plan.Preparer, for protocols whose mappings can't be found again.
func (r *Router) Prepare(c plan.Change) *plan.Grant {
	p, err := forward.ParsePort(c.Key)
	if err != nil || r.isFormer(p) {
		return nil
	}
	if d, ok := r.deviceFor(p).(plan.Preparer); ok {
		return d.Prepare(c)
	}

	return nil
}

// EpochStandsStill reports whether a router that can't list what it maps tells an epoch that does
// not move, so that nobody would notice its restart.
func (r *Router) EpochStandsStill(k plan.Key) bool {
	p, err := forward.ParsePort(k)
	if err != nil {
		return false
	}
	d, ok := r.deviceFor(p).(interface{ standsStill() bool })
	return ok && d.standsStill()
}

// lookupPort returns what the router has for one port; nil when nothing.
func (r *Router) lookupPort(ctx context.Context, p forward.Port) (*forward.Mapping, error) {
	return readBackPort(ctx, r.deviceFor(p), p)
}

func readBackPort(ctx context.Context, d device, p forward.Port) (*forward.Mapping, error) {
	found, err := d.Read(ctx, []forward.Port{p})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if found[0].Unread != nil {
		return nil, found[0].Unread
	}

	return &found[0], nil
}

// ProtocolOf returns the protocol that a key is asked in; see Protocol. Pinholes may have
// another one than forwards.
func (r *Router) ProtocolOf(k plan.Key) string {
	p, err := forward.ParsePort(k)
	if err != nil {
		return r.device.Protocol()
	}
	return r.deviceFor(p).Protocol()
}

// Lease returns what is left of the lease of an item that was read, and how long the whole
// one was when it was granted. ok is false where the item does not lapse or nothing is known
// of a grant.
func (r *Router) Lease(it plan.Item) (left, whole time.Duration, ok bool) {
	g, granted := r.known(it.Key)
	if it.Lifetime > 0 {
		return it.Expires.Sub(r.now()), it.Lifetime, true
	}
	if !granted || g.Lifetime <= 0 || it.Expires.IsZero() {
		return 0, 0, false
	}

	return it.Expires.Sub(r.now()), g.Lifetime, true
}

// Lapsed returns when the lease of a forward ran out that was granted before; ok is false where
// none was, or it lasts.
func (r *Router) Lapsed(k plan.Key) (at time.Time, ok bool) {
	g, granted := r.known(k)
	if !granted || g.Lifetime <= 0 || !r.now().After(g.Expires()) {
		return time.Time{}, false
	}
	return g.Expires(), true
}

// Obstacle says what keeps a forward from working although it is there, where the device
// can tell; its error, what may.
func (r *Router) Obstacle(ctx context.Context, k plan.Key, lines []string) (string, error) {
	p, to, err := forward.Parse(k, lines)
	if err != nil {
		return "", err
	}

	gate, ok := r.deviceFor(p).(interface {
		Obstacle(context.Context, forward.Port, forward.Target) (string, error)
	})

	if !ok {
		return "", nil
	}

	return gate.Obstacle(ctx, p, to)
}
