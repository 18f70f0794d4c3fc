package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// The protocol that made a forward stays its protocol: what it made can be seen and taken
// away by it alone, or at least by it for sure.

// makerOf returns the protocol that made a grant; "" where that is not known.
func makerOf(g plan.Grant) string {
	protocol, _, _ := strings.Cut(g.State, " ")
	switch protocol {
	case "upnp", "pcp", "nat-pmp":
		return protocol
	}
	return ""
}

// formerMaker returns the protocol that made this site's forwards, as far as they last; "" where
// none does. Where several did, it is the one that made most.
func (o Options) formerMaker() (protocol string) {
	made := map[string]int{}
	for _, k := range o.Recorded {
		g, ok := o.Known(k)
		p, err := forward.ParsePort(k)
		if !ok || err != nil || p.Pinhole() || g.Lifetime > 0 && !o.Now().Before(g.Expires()) {
			continue
		}

		if by := makerOf(g); by != "" {
			made[by]++
			if protocol == "" || made[by] > made[protocol] {
				protocol = by
			}
		}
	}

	return protocol
}

// silentProtocol stands for the protocol that made the site's forwards, while it does not answer.
// Another one may tell the router's address; nothing is written by that.
type silentProtocol struct {
	maker string
	other device // that answers
	why   error
}

func (u *silentProtocol) Protocol() string { return u.maker }
func (u *silentProtocol) String() string   { return u.other.String() }

func (u *silentProtocol) WAN(ctx context.Context) (netip.Addr, error) { return u.other.WAN(ctx) }

func (u *silentProtocol) err() error {
	return fmt.Errorf("%s made this site's forwards and does not answer now (%w); by %s they can't be seen",
		u.maker, u.why, u.other.Protocol())
}

func (u *silentProtocol) Read(_ context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	found := make([]forward.Mapping, len(ports))
	for i, p := range ports {
		found[i] = forward.Mapping{Port: p, Unread: u.err()}
	}
	return found, nil
}

func (u *silentProtocol) Add(context.Context, forward.Port, forward.Target, time.Duration) error {
	return u.err()
}

func (u *silentProtocol) Remove(context.Context, forward.Port, forward.Target) error { return u.err() }

// formerProtocol is the protocol that made forwards before the config named another one.
type formerProtocol struct {
	protocol string
	device   device // nil where it does not answer
	err      error  // why not
}

// findFormer asks for the protocol that made the forwards where the config names another one
// now. nil where there is none.
func (o Options) findFormer(ctx context.Context, now string) *formerProtocol {
	maker := o.formerMaker()
	if maker == "" || maker == now || now == "manual" {
		return nil
	}

	f := &formerProtocol{protocol: maker}
	for _, w := range protocolOrder() {
		if w.protocol == maker {
			o.URL = ""
			f.device, _, f.err = w.open(ctx, o)
		}
	}

	return f
}

// isFormer reports whether a port was made by the former protocol, and lasts.
func (r *Router) isFormer(p forward.Port) bool {
	if r.former == nil || p.Pinhole() {
		return false
	}
	g, ok := r.known(p.Key())
	return ok && makerOf(g) == r.former.protocol &&
		(g.Lifetime == 0 || r.now().Before(g.Expires()))
}

// readFormer reads ports by the protocol that made them.
func (r *Router) readFormer(ctx context.Context, ports []forward.Port) []forward.Mapping {
	f := r.former
	moves := fmt.Sprintf("%s made it; from now on %s does, as the config says", f.protocol,
		r.device.Protocol())

	err := f.err
	var found []forward.Mapping
	if err == nil {
		found, err = f.device.Read(ctx, ports)
	}

	if err == nil {
		for i := range found {
			found[i].Again = moves
		}
		return found
	}

	for _, p := range ports {
		found = append(found, forward.Mapping{Port: p, Unread: err,
			Again: fmt.Sprintf("%s, and %s does not answer now (%v): its forwards may remain in the router",
				moves, f.protocol, err)})
	}

	return found
}

// replaceFormer takes away what the former protocol made, and makes it by the one of now.
func (r *Router) replaceFormer(ctx context.Context, c change) (*plan.Grant, error) {
	f := r.former
	if c.before != nil {
		if err := r.removeAndCheck(ctx, f.device, c.port, c.before.To); err != nil {
			return nil, fmt.Errorf("by %s, which made it: %w", f.protocol, err)
		}
	}

	if c.Action == plan.Delete {
		if f.device == nil {
			return nil, fmt.Errorf("%s made it and does not answer: %w", f.protocol, f.err)
		}
		return nil, nil
	}

	c.before = nil
	c.Before = nil
	c.Renew = false

	return r.writeMapping(ctx, c)
}

// fallBack tries NAT-PMP where PCP was taken by itself, and refuses every mapping that it is
// asked for, as some routers do that announce it. other is the device that answered, and err what
// it did.
func (r *Router) fallBack(ctx context.Context, c change, refused error) (other device, err error) {
	p, ok := r.device.(*pcp)
	if !ok || !r.auto || c.port.Pinhole() || len(p.made) > 0 ||
		r.options.formerMaker() == "pcp" || !refusesAll(refused) {
		return nil, refused
	}

	pmp, _, e := openPMP(ctx, r.options)
	if e != nil {
		return nil, refused
	}
	if e := pmp.Add(ctx, c.port, c.to, c.Lease); e != nil {
		return nil, refused
	}

	r.log.Info("router refuses by pcp what it grants by nat-pmp", "error", refused)
	r.why += fmt.Sprintf("; nat-pmp, as pcp refuses every mapping (%v)", refused)
	r.device = pmp

	return pmp, nil
}

// refusesAll reports whether a refusal by PCP is for the protocol as a whole, and not for one
// port (RFC 6887 section 7.4).
func refusesAll(err error) bool {
	var no *refusal
	if !errors.As(err, &no) || errors.Is(err, ErrDoubleNAT) {
		return false
	}

	switch no.code {
	case codeNotAuthorised, codeUnsuppOpcode, codeUnsuppOption, codeNoResources, codeUnsuppProto:
		return true
	}

	return false
}
