package nat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
)

// pcp is a router spoken to by PCP (RFC 6887). Like NAT-PMP it can't list; see grants.
type pcp struct {
	leaseTable
	server  netip.AddrPort
	timeout time.Duration
	outside netip.Addr  // learnt from a mapping
	mute    atomic.Bool // it answers no ANNOUNCE
}

const pcpPort = 5351 // RFC 6887 section 19.1

func (p *pcp) Protocol() string { return p.leaseTable.protocol }
func (p *pcp) String() string   { return "router " + p.gateway.String() }

// retransmit is how long the first answer is waited for; each further one twice as long.
// RFC 6887 section 8.1.1 begins with 3 s, which nobody at a terminal waits for: on
// a LAN an answer takes milliseconds.
const retransmit = 250 * time.Millisecond

// exchange sends a request until an answer to it comes or the time-out of a step, or ctx,
// ends. What comes from elsewhere or answers something else is passed over.
func (p *pcp) exchange(ctx context.Context, request []byte) (pcpAnswer, error) {
	end := trace.Start(ctx, "pcp", p.server.String(), pcpText(request))
	trace.Wire(ctx, "pcp", p.server.String(), trace.Sent, hex.EncodeToString(request))

	a, err := p.exchangeDatagrams(ctx, request)
	end(err)
	return a, err
}

// pcpText names a request by its opcode (RFC 6887 section 7.1).
func pcpText(request []byte) string {
	names := map[byte]string{0: "ANNOUNCE", 1: "MAP", 2: "PEER"}
	if len(request) < 2 {
		return "request"
	}
	return names[request[1]&0x7f]
}

func (p *pcp) exchangeDatagrams(ctx context.Context, request []byte) (pcpAnswer, error) {
	end := time.Now().Add(p.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}

	// Connected, so that the kernel passes on the gateway's datagrams alone.
	// Bound, as a pinhole is for the address that asks (RFC 6887 section 8.1).
	dialer := net.Dialer{
		LocalAddr:      net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.local, 0)),
		ControlContext: egress.Control,
	}

	conn, err := dialer.DialContext(ctx, "udp", p.server.String())

	if err != nil {
		return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}

	defer conn.Close()

	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()

	buf := make([]byte, pcpMaxSize+1)
	for wait := retransmit; ; wait *= 2 {
		if ctx.Err() != nil {
			return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
		}
		if !time.Now().Before(end) {
			return pcpAnswer{}, fmt.Errorf("%w within %v", errNoAnswer, p.timeout)
		}
		if _, err := conn.Write(request); err != nil {
			return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, sockerr.Plain(err))
		}

		until := time.Now().Add(wait)
		if end.Before(until) {
			until = end
		}

		a, err := receive(conn, buf, until, request)
		if err == nil {
			return a, a.err()
		}

		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, sockerr.Plain(err))
		}
	}
}

// receive returns the first datagram that answers a request.
func receive(conn net.Conn, buf []byte, until time.Time, request []byte) (pcpAnswer, error) {
	if err := conn.SetReadDeadline(until); err != nil {
		return pcpAnswer{}, err
	}

	for {
		n, err := conn.Read(buf)
		if err != nil {
			return pcpAnswer{}, err
		}
		if a, err := decodePCP(buf[:n]); err == nil && a.answers(request) {
			return a, nil
		}
	}
}

// announceTime is how long an answer to ANNOUNCE is waited for before the epoch is asked for in
// another way.
const announceTime = 800 * time.Millisecond

// announce asks for nothing, which tells the epoch (RFC 6887 section 14.1.1). A server that does
// not answer that, as some know MAP alone, is asked to take away a mapping that is not there: every
// answer has the epoch (section 7.2).
func (p *pcp) announce(ctx context.Context) (uint32, error) {
	if !p.mute.Load() {
		short, cancel := context.WithTimeout(ctx, announceTime)
		a, err := p.exchange(short, announceRequest(p.local))
		cancel()
		var no *refusal
		refused := errors.As(err, &no)
		if err == nil || refused && no.code != codeUnsuppOpcode {
			return a.epoch, err
		}
	}

	m := mapRequest{
		client:   p.local,
		nonce:    newNonce(),
		proto:    "udp",
		internal: discard,
		suggest:  p.any(),
	}

	a, err := p.exchange(ctx, m.encode())
	var no *refusal
	if err != nil && (!errors.As(err, &no) || no.code == codeVersion ||
		no.code == codeUnsuppOpcode) {
		return a.epoch, err
	}

	p.mute.Store(true)
	return a.epoch, nil
}

// discard is the port that a mapping is made for when only the address is of interest.
const discard = 9

// WAN learns the external address by a mapping of the discard port for two minutes, as
// RFC 6887 section 11.6 has it, and gives that back at once.
func (p *pcp) WAN(ctx context.Context) (netip.Addr, error) {
	if p.outside.IsValid() {
		return p.outside, nil
	}

	m := mapRequest{
		client:   p.local,
		nonce:    newNonce(),
		proto:    "udp",
		internal: discard,
		suggest:  p.any(),
		lifetime: 2 * time.Minute,
	}

	a, err := p.exchange(ctx, m.encode())
	if errors.Is(err, ErrDoubleNAT) {
		return a.address, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}

	p.outside = a.address
	m.lifetime = 0
	if _, err := p.exchange(context.WithoutCancel(ctx), m.encode()); err != nil {
		return p.outside, fmt.Errorf("the mapping of udp/%d that was asked for to learn the address ends by itself in 2 min: %w",
			discard, err)
	}

	return p.outside, nil
}

// any is the unspecified address of the host's family.
func (p *pcp) any() netip.Addr {
	if p.local.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func newNonce() (n pcpNonce) {
	rand.Read(n[:]) // never fails
	return n
}

func (p *pcp) Read(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	epoch, err := p.announce(ctx)
	if err == nil {
		epoch, err = p.steady(ctx, ports, epoch, func() (uint32, error) {
			return p.announce(ctx)
		})
	}
	return p.list(ports, epoch, err)
}

func (p *pcp) Add(ctx context.Context, q forward.Port, to forward.Target, lease time.Duration) error {
	if err := p.checkTarget(to); err != nil {
		return err
	}

	if lease <= 0 {
		lease = pmpLease // a lifetime of 0 would delete
	}

	m := mapRequest{
		client:   p.local,
		nonce:    p.nonceFor(q, to),
		proto:    q.Transport(),
		internal: to.Port,
		external: q.Number,
		suggest:  p.any(),
		lifetime: lease,
	}

	a, err := p.exchange(ctx, m.encode())
	var no *refusal
	if errors.As(err, &no) && no.code == codeUnsuppOption { // its port is compared below
		m.anyPort = true
		a, err = p.exchange(ctx, m.encode())
	}

	switch {
	case errors.Is(err, errNoAnswer):
		// Granted or not, nobody will know: give it back.
		if e := p.releaseMapping(ctx, m); e != nil {
			return fmt.Errorf("%w; and whether %s is mapped now is not known: %w", err, q, e)
		}
		return err
	case err != nil:
		return err
	case a.external != q.Number, q.Pinhole() && a.address != p.local:
		err := fmt.Errorf("%w: the port is in use or unavailable; the router offered %s/%d",
			ErrRefused, q.Proto, a.external)

		if a.external == q.Number { // it translates prefixes (RFC 6296)
			err = fmt.Errorf("%w: the external port belongs to %s, not to %s", ErrRefused,
				a.address, p.local)
		}

		if e := p.releaseMapping(ctx, m); e != nil {
			return fmt.Errorf("%w; and that could not be given back: %w", err, e)
		}

		return err
	}

	if a.lifetime == 0 {
		err := fmt.Errorf("%w: it grants the port for no time at all", ErrRefused)
		if e := p.releaseMapping(ctx, m); e != nil {
			return fmt.Errorf("%w; and that could not be given back: %w", err, e)
		}
		return err
	}

	p.outside = a.address
	p.writeMapping(q, to, a.lifetime, grantState{epoch: a.epoch, nonce: m.nonce})
	return nil
}

// releaseMapping gives a mapping back.
func (p *pcp) releaseMapping(ctx context.Context, m mapRequest) error {
	m.lifetime = 0
	m.external = 0
	m.suggest = p.any()
	_, err := p.exchange(ctx, m.encode())
	return err
}

func (p *pcp) Remove(ctx context.Context, q forward.Port, was forward.Target) error {
	m := mapRequest{client: p.local, proto: q.Transport(), internal: was.Port}
	if _, n, ok := p.granted(q); ok {
		m.nonce = n.nonce
	}

	err := p.releaseMapping(ctx, m)
	var no *refusal
	if errors.As(err, &no) && no.code == codeNoResources && !errors.Is(err, ErrDoubleNAT) {
		err = nil // what miniupnpd says of a mapping that is not there (RFC 6887 section 15: success)
	}

	if err == nil {
		p.drop(q)
	}

	return err
}

// nonceFor returns the nonce of a request: that of the mapping which it renews, the one that
// was prepared, else a new one.
func (p *pcp) nonceFor(q forward.Port, to forward.Target) pcpNonce {
	if n, ok := p.prepared[q]; ok && n.to == to {
		return n.nonce
	}
	if _, n, ok := p.granted(q); ok && n.to == to {
		return n.nonce
	}
	return newNonce()
}

// Prepare implements plan.Preparer.
func (p *pcp) Prepare(c plan.Change) *plan.Grant {
	return p.prepare(c, func(n *grantState, q forward.Port) {
		n.nonce = p.nonceFor(q, n.to)
	})
}

func openPCP(ctx context.Context, o Options) (device, string, error) {
	at, which, err := o.gateway()
	if err != nil {
		return nil, "", &noRouter{err}
	}
	return dialPCP(ctx, o, netip.AddrPortFrom(at, pcpPort), gateway.SourceAddr(at.String()),
		which)
}

// dialPCP asks whether a server speaks PCP to this machine's address local.
func dialPCP(ctx context.Context, o Options, server netip.AddrPort, local netip.Addr, which string) (device, string, error) {
	p := &pcp{
		leaseTable: newLeaseTable("pcp", server.Addr(), local, o),
		server:     server,
		timeout:    o.Timeout,
	}

	limit := o.timeout(pmpTime)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("nothing within %v", limit))
	defer cancel()

	_, err := p.announce(ctx)
	var no *refusal
	if err != nil && !(errors.As(err, &no) && no.code != codeVersion &&
		no.code != codeUnsuppOpcode) {
		return nil, "", &noRouter{fmt.Errorf("%s %s: %w", which, server.Addr(), err)}
	}

	return p, fmt.Sprintf("pcp: %s %s answers", which, server.Addr()), nil
}
