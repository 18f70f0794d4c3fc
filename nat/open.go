package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Options says which router to use and how. The zero value finds the router by
// whatever protocol it answers.
type Options struct {
	Protocol string // "auto" (also ""), "upnp", "nat-pmp" or "manual"

	// These narrow down the router where several answer. URL is that of its UPnP
	// description, and saves the search.
	Interface string
	URL       string
	Gateway   netip.Addr // default: the system's default gateway

	// Site is what this site's mappings are marked with.
	Site string
	// Known returns what was granted for a key in an earlier run; nil for nothing.
	Known func(plan.Key) (plan.Grant, bool)

	Timeout time.Duration    // of each request; default 5 s
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // default: discards

	// Search is where UPnP searches are sent; default 239.255.255.250:1900, on every
	// network interface.
	Search netip.AddrPort
	// Gateways lists the system's default gateways; default: asks the system.
	Gateways func() ([]netip.Addr, error)
}

// How long is waited in Open. The standard lets a device take a second for its answer
// to a search that says so (MX, see search.go), so that a search need not last longer.
const (
	searchTime = 2500 * time.Millisecond // for the first answer
	pmpTime    = 2 * time.Second         // for an answer to NAT-PMP
	upnpGrace  = 1200 * time.Millisecond // for UPnP, once NAT-PMP has answered
	otherGrace = 600 * time.Millisecond  // for a second router, once one has answered that is not the gateway
)

// Open finds the router. Under "auto" it asks in all protocols at once, and takes UPnP
// where that answers, as it can be read back. Nothing is written. The error wraps
// ErrNoRouter or ErrSeveralRouters where that is the reason.
func Open(ctx context.Context, o Options) (*Router, error) {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Known == nil {
		o.Known = func(plan.Key) (plan.Grant, bool) { return plan.Grant{}, false }
	}
	if o.Gateways == nil {
		o.Gateways = systemGateways
	}
	var d device
	var why string
	var err error
	switch o.Protocol {
	case "manual":
		d, why = manual{}, "manual: so says the config"
	case "upnp":
		d, why, err = openUPnP(ctx, o)
	case "nat-pmp":
		d, why, err = openPMP(ctx, o)
	case "auto", "":
		open := openAny
		if o.URL != "" { // a choice of UPnP
			open = openUPnP
		}
		d, why, err = open(ctx, o)
	default:
		err = fmt.Errorf("unknown router protocol %q, want auto, upnp, nat-pmp or manual", o.Protocol)
	}
	if err != nil {
		return nil, err
	}
	o.Logger.Info("router", "protocol", d.protocol(), "device", d.String(), "why", why)
	return &Router{device: d, why: why, mark: mark(o.Site), known: o.Known, log: o.Logger, now: o.Now}, nil
}

type opened struct {
	device device
	why    string
	err    error
}

// openAny asks in all protocols at once.
func openAny(ctx context.Context, o Options) (device, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	try := func(open func(context.Context, Options) (device, string, error)) <-chan opened {
		c := make(chan opened, 1)
		go func() {
			d, why, err := open(ctx, o)
			c <- opened{d, why, err}
		}()
		return c
	}
	byUPnP, byPMP := try(openUPnP), try(openPMP)
	var u, p *opened
	var grace <-chan time.Time
	for {
		select {
		case got := <-byUPnP:
			u = &got
		case got := <-byPMP:
			p = &got
			if got.err == nil {
				grace = time.After(upnpGrace)
			}
		case <-grace:
			u = &opened{err: fmt.Errorf("nothing within %v", upnpGrace)}
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}
		switch {
		case u != nil && u.err == nil:
			return u.device, u.why + "; not nat-pmp, as that can't be read back", nil
		case u != nil && p != nil && p.err == nil:
			return p.device, p.why + "; not upnp: " + u.err.Error(), nil
		case u != nil && p != nil && errors.Is(u.err, ErrSeveralRouters):
			return nil, "", u.err
		case u != nil && p != nil:
			return nil, "", fmt.Errorf("%w: upnp: %w; nat-pmp: %w", ErrNoRouter, bare(u.err), bare(p.err))
		}
	}
}

// bare takes ErrNoRouter off an error, so that it is not said twice.
func bare(err error) error {
	var n *noRouter
	if errors.As(err, &n) {
		return n.reason
	}
	return err
}

// noRouter is ErrNoRouter with the reason.
type noRouter struct{ reason error }

func (n *noRouter) Error() string   { return ErrNoRouter.Error() + ": " + n.reason.Error() }
func (n *noRouter) Unwrap() []error { return []error{ErrNoRouter, n.reason} }

func openPMP(ctx context.Context, o Options) (device, string, error) {
	gateway, which, err := o.gateway()
	if err != nil {
		return nil, "", &noRouter{err}
	}
	p := &pmp{
		gateway: gateway, local: localAddr(gateway.String()), known: o.Known,
		grants: map[port]plan.Grant{}, timeout: o.Timeout, now: o.Now,
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pmpTime, fmt.Errorf("nothing within %v", pmpTime))
	defer cancel()
	_, _, err = p.outside(ctx)
	var no *refusal
	if err != nil && !errors.As(err, &no) { // a refusal is an answer
		return nil, "", &noRouter{fmt.Errorf("%s %s: %w", which, gateway, err)}
	}
	return p, fmt.Sprintf("nat-pmp: %s %s answers", which, gateway), nil
}
