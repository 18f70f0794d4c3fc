package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
)

// pmp is a router spoken to by NAT-PMP (RFC 6886). The protocol can't list; see grants.
type pmp struct {
	leaseTable
	timeout time.Duration
}

func (p *pmp) Protocol() string { return p.leaseTable.protocol }
func (p *pmp) String() string   { return "router " + p.gateway.String() }

// ask makes a request within the time-out of a step or what ctx leaves of it. The
// library knows no context: when ctx ends early, its last attempt ends by itself.
func ask[T any](ctx context.Context, p *pmp, f func(*natpmp.Client) (T, error)) (T, error) {
	var none T
	timeout := p.timeout
	if d, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(d))
	}

	if ctx.Err() != nil || timeout <= 0 {
		return none, context.Cause(ctx)
	}

	if err := egress.Allowed(ctx, p.gateway); err != nil { // the library takes no context
		return none, err
	}

	c := natpmp.NewClientWithLocalAndTimeout(p.gateway.AsSlice(), p.local.AsSlice(), timeout)
	type answer struct {
		got T
		err error
	}

	answered := make(chan answer, 1)
	go func() {
		got, err := f(c)
		answered <- answer{got, err}
	}()

	select {
	case a := <-answered:
		return a.got, pmpError(a.err)
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
	}
}

// pmpError makes refusals of result codes, which the library hands on as text.
func pmpError(err error) error {
	if err == nil {
		return nil
	}

	_, text, found := strings.Cut(err.Error(), "result code ")
	var code int
	if _, e := fmt.Sscan(text, &code); !found || e != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, sockerr.Plain(err))
	}

	switch code { // RFC 6886 section 3.5
	case 1:
		return &refusal{code, "unsupported version"}
	case 2:
		return fmt.Errorf("%w: %w", ErrRefused, &refusal{code, "not authorised"})
	case 3: // it has no address outside, or none that it thinks public
		return fmt.Errorf("%w: %w", ErrDoubleNAT, &refusal{code, "network failure"})
	case 4:
		return fmt.Errorf("%w: %w", ErrRefused, &refusal{code, "out of resources"})
	}

	return &refusal{code, "no known reason"}
}

// wanAddress asks for the WAN address, which also tells the epoch.
func (p *pmp) wanAddress(ctx context.Context) (netip.Addr, uint32, error) {
	end := trace.Start(ctx, "nat-pmp", p.gateway.String(), "external address")
	got, err := ask(ctx, p, (*natpmp.Client).GetExternalAddress)
	end(err)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	return netip.AddrFrom4(got.ExternalIPAddress), got.SecondsSinceStartOfEpoc, nil
}

func (p *pmp) WAN(ctx context.Context) (netip.Addr, error) {
	a, _, err := p.wanAddress(ctx)
	if errors.Is(err, ErrDoubleNAT) || err == nil && a.IsUnspecified() {
		return netip.Addr{}, nil
	}
	return a, err
}

func (p *pmp) Read(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	_, epoch, err := p.wanAddress(ctx)
	if err == nil {
		epoch, err = p.steady(ctx, ports, epoch, func() (uint32, error) {
			_, later, err := p.wanAddress(ctx)
			return later, err
		})
	}

	return p.list(ports, epoch, err)
}

func (p *pmp) Add(ctx context.Context, q forward.Port, to forward.Target, lease time.Duration) error {
	if err := p.checkTarget(to); err != nil {
		return err
	}

	if lease <= 0 {
		lease = pmpLease // a lifetime of 0 would delete (RFC 6886 section 3.4)
	}

	got, err := p.request(ctx, q.Proto, to.Port, q.Number, lease)
	if errors.Is(err, errNoAnswer) && !p.isGranted(ctx, q) {
		// Granted or not, nobody will know: give it back.
		if e := p.release(ctx, q.Proto, to.Port); e != nil {
			return fmt.Errorf("%w; and whether %s is mapped now is not known: %w", err, q, e)
		}
	}

	if err != nil {
		return err
	}
	if got.MappedExternalPort != q.Number {
		return p.rejectOtherPort(ctx, q, to, forward.Port{
			Proto:  q.Proto,
			Number: got.MappedExternalPort,
		}, got.SecondsSinceStartOfEpoc)
	}

	if got.PortMappingLifetimeInSeconds == 0 {
		err := fmt.Errorf("%w: it grants the port for no time at all", ErrRefused)
		if e := p.release(ctx, q.Proto, to.Port); e != nil {
			return fmt.Errorf("%w; and that could not be given back: %w", err, e)
		}
		return err
	}

	p.writeMapping(q, to, time.Duration(got.PortMappingLifetimeInSeconds)*time.Second,
		grantState{epoch: got.SecondsSinceStartOfEpoc})

	return nil
}

func (p *pmp) isGranted(ctx context.Context, q forward.Port) bool {
	_, epoch, err := p.wanAddress(ctx)
	if err != nil {
		return false
	}
	_, _, ok := p.live(q, epoch)
	return ok
}

func (p *pmp) request(ctx context.Context, proto string, internal, external uint16, lease time.Duration) (*natpmp.AddPortMappingResult, error) {
	end := trace.Start(ctx, "nat-pmp", p.gateway.String(),
		fmt.Sprintf("map %s %d to %d for %v", proto, external, internal, lease))

	got, err := p.requestMapping(ctx, proto, internal, external, lease)
	end(err)
	return got, err
}

func (p *pmp) requestMapping(ctx context.Context, proto string, internal, external uint16, lease time.Duration) (*natpmp.AddPortMappingResult, error) {
	got, err := ask(ctx, p, func(c *natpmp.Client) (*natpmp.AddPortMappingResult, error) {
		return c.AddPortMapping(proto, int(internal), int(external), int(seconds(lease)))
	})

	if err == nil && got.InternalPort != internal {
		err = fmt.Errorf("%w: the router answers for port %d inside, was asked for %d",
			errNoAnswer, got.InternalPort, internal)
	}

	return got, err
}

// rejectOtherPort deals with a router that granted another port than the one asked for, as
// it does when that one is taken or not to be had (RFC 6886 section 3.3).
func (p *pmp) rejectOtherPort(ctx context.Context, q forward.Port, to forward.Target, got forward.Port, epoch uint32) error {
	if _, n, ok := p.live(got, epoch); ok && n.to == to {
		return fmt.Errorf("%w: nat-pmp maps one external port to each internal port, and %s already maps to %s",
			ErrConflict, got, to)
	}

	err := fmt.Errorf("%w: the port is in use or unavailable; the router offered %s",
		ErrRefused, got)

	if e := p.release(ctx, q.Proto, to.Port); e != nil {
		return fmt.Errorf("%w; and %s could not be given back: %w", err, got, e)
	}

	return err
}

// release gives back whatever is mapped to an internal port of this host.
func (p *pmp) release(ctx context.Context, proto string, internal uint16) error {
	_, err := p.request(ctx, proto, internal, 0, 0)
	return err
}

func (p *pmp) Remove(ctx context.Context, q forward.Port, was forward.Target) error {
	_, err := p.request(ctx, q.Proto, was.Port, 0, 0) // RFC 6886 section 3.4
	if err == nil {
		p.drop(q)
	}
	return err
}

// Prepare implements plan.Preparer: a mapping is taken away by its port inside alone.
func (p *pmp) Prepare(c plan.Change) *plan.Grant {
	return p.prepare(c, func(*grantState, forward.Port) {})
}

func openPMP(ctx context.Context, o Options) (device, string, error) {
	at, which, err := o.gateway()
	if err != nil {
		return nil, "", &noRouter{err}
	}

	p := &pmp{newLeaseTable("nat-pmp", at, gateway.SourceAddr(at.String()), o), o.Timeout}
	limit := o.timeout(pmpTime)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("nothing within %v", limit))
	defer cancel()

	_, _, err = p.wanAddress(ctx)
	var no *refusal
	if err != nil && !errors.As(err, &no) { // a refusal is an answer
		return nil, "", &noRouter{fmt.Errorf("%s %s: %w", which, at, err)}
	}

	return p, fmt.Sprintf("nat-pmp: %s %s answers", which, at), nil
}
