package nat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// pcp is a router spoken to by PCP (RFC 6887). Like NAT-PMP it can't list; a mapping is
// known from its grant, while that lasts and the router has not lost its state.
type pcp struct {
	gateway netip.AddrPort
	local   netip.Addr // of this host, as the router sees it
	known   func(plan.Key) (plan.Grant, bool)
	grants  map[port]plan.Grant // of this process; the zero Grant: removed
	timeout time.Duration
	now     func() time.Time
	outside netip.Addr // learnt from a mapping
}

const pcpPort = 5351 // RFC 6887 section 19.1

func (p *pcp) protocol() string { return "pcp" }
func (p *pcp) String() string   { return "router " + p.gateway.Addr().String() }

// retransmit is how long the first answer is waited for; each further one twice as long.
// RFC 6887 section 8.1.1 begins with 3 s, which nobody at a terminal waits for: on
// a LAN an answer takes milliseconds.
const retransmit = 250 * time.Millisecond

// exchange sends a request until an answer to it comes or the time-out of a step, or ctx,
// ends. What comes from elsewhere or answers something else is passed over.
func (p *pcp) exchange(ctx context.Context, request []byte) (pcpAnswer, error) {
	end := time.Now().Add(p.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	// Connected, so that the kernel passes on the gateway's datagrams alone.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p.gateway))
	if err != nil {
		return pcpAnswer{}, err
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
			return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
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
			return pcpAnswer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
	}
}

// receive returns the first datagram that answers a request.
func receive(conn *net.UDPConn, buf []byte, until time.Time, request []byte) (pcpAnswer, error) {
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

// announce asks for nothing, which tells the epoch (RFC 6887 section 14.1.1).
func (p *pcp) announce(ctx context.Context) (uint32, error) {
	a, err := p.exchange(ctx, announceRequest(p.local))
	return a.epoch, err
}

// discard is the port that a mapping is made for when only the address is of interest.
const discard = 9

// wan learns the external address by a mapping of the discard port for two minutes, as
// RFC 6887 section 11.6 has it, and gives that back at once.
func (p *pcp) wan(ctx context.Context) (netip.Addr, error) {
	if p.outside.IsValid() {
		return p.outside, nil
	}
	m := mapRequest{client: p.local, nonce: newNonce(), proto: "udp", internal: discard, suggest: p.any(), lifetime: 2 * time.Minute}
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
		return p.outside, fmt.Errorf("the mapping of udp/%d that was asked for to learn the address ends by itself in 2 min: %w", discard, err)
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

func (p *pcp) read(ctx context.Context, ports []port) (found []mapping, err error) {
	epoch, err := p.announce(ctx)
	var no *refusal
	if errors.As(err, &no) { // it answers, but tells no epoch
		for _, q := range ports {
			found = append(found, mapping{port: q, unread: err})
		}
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	for _, q := range ports {
		if g, n, ok := p.live(q, epoch); ok {
			found = append(found, mapping{port: q, to: n.to, grant: g})
		}
	}
	return found, nil
}

// live returns the grant of a port while it lasts.
func (p *pcp) live(q port, epoch uint32) (plan.Grant, pcpNote, bool) {
	g, n, ok := p.granted(q)
	now := p.now()
	if !ok || !now.Before(g.Expires()) || rebooted(n.epoch, epoch, now.Sub(g.At)) {
		return plan.Grant{}, pcpNote{}, false
	}
	return g, n, true
}

// granted returns what was granted for a port, whether or not it lasts.
func (p *pcp) granted(q port) (plan.Grant, pcpNote, bool) {
	g, ok := p.grants[q]
	if !ok {
		g, ok = p.known(q.key())
	}
	n, good := parsePCPNote(g.State)
	return g, n, ok && good && n.gateway == p.gateway.Addr()
}

// pcpNote is what is kept of a grant beside its time: without the nonce it could be
// renewed, but not be taken back.
type pcpNote struct {
	to      target
	gateway netip.Addr
	epoch   uint32
	nonce   pcpNonce
}

func (n pcpNote) String() string {
	return fmt.Sprintf("pcp to %s by %s epoch %d nonce %x", n.to, n.gateway, n.epoch, n.nonce[:])
}

func parsePCPNote(s string) (n pcpNote, ok bool) {
	var to, gateway, nonce string
	if _, err := fmt.Sscanf(s, "pcp to %s by %s epoch %d nonce %s", &to, &gateway, &n.epoch, &nonce); err != nil {
		return pcpNote{}, false
	}
	raw, err := hex.DecodeString(nonce)
	if err != nil || len(raw) != len(n.nonce) {
		return pcpNote{}, false
	}
	copy(n.nonce[:], raw)
	if n.to, err = parseTarget([]string{to}); err != nil {
		return pcpNote{}, false
	}
	n.gateway, err = netip.ParseAddr(gateway)
	return n, err == nil
}

func (p *pcp) add(ctx context.Context, q port, to target, lease time.Duration) error {
	if to.host != p.local.String() {
		return fmt.Errorf("%w: pcp can't map to %s, as this is %s: run mailpub on %s itself", ErrOtherHost, to.host, p.local, to.host)
	}
	if to.disabled {
		return errors.New("pcp knows no disabled mappings")
	}
	if lease <= 0 {
		lease = pmpLease // a lifetime of 0 would delete
	}
	m := mapRequest{client: p.local, nonce: newNonce(), proto: q.proto, internal: to.port, external: q.number, suggest: p.any(), lifetime: lease}
	if _, n, ok := p.granted(q); ok && n.to == to {
		m.nonce = n.nonce // a renewal
	}
	a, err := p.exchange(ctx, m.encode())
	switch {
	case errors.Is(err, errNoAnswer):
		// Granted or not, nobody will know: give it back.
		if e := p.end(ctx, m); e != nil {
			return fmt.Errorf("%w; and whether %s is mapped now is not known: %w", err, q, e)
		}
		return err
	case err != nil:
		return err
	case a.external != q.number:
		err := fmt.Errorf("%w: it is taken or not to be had, the router offers %s/%d instead", ErrRefused, q.proto, a.external)
		if e := p.end(ctx, m); e != nil {
			return fmt.Errorf("%w; and that could not be given back: %w", err, e)
		}
		return err
	}
	p.outside = a.address
	p.grants[q] = plan.Grant{Lifetime: a.lifetime, At: p.now(), State: pcpNote{to, p.gateway.Addr(), a.epoch, m.nonce}.String()}
	return nil
}

// end gives a mapping back.
func (p *pcp) end(ctx context.Context, m mapRequest) error {
	m.lifetime, m.external, m.suggest = 0, 0, p.any()
	_, err := p.exchange(ctx, m.encode())
	return err
}

func (p *pcp) remove(ctx context.Context, q port, was target) error {
	m := mapRequest{client: p.local, proto: q.proto, internal: was.port}
	if _, n, ok := p.granted(q); ok {
		m.nonce = n.nonce
	}
	err := p.end(ctx, m)
	if err == nil {
		p.grants[q] = plan.Grant{}
	}
	return err
}

func openPCP(ctx context.Context, o Options) (device, string, error) {
	gateway, which, err := o.gateway()
	if err != nil {
		return nil, "", &noRouter{err}
	}
	p := &pcp{
		gateway: netip.AddrPortFrom(gateway, pcpPort), local: localAddr(gateway.String()), known: o.Known,
		grants: map[port]plan.Grant{}, timeout: o.Timeout, now: o.Now,
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pmpTime, fmt.Errorf("nothing within %v", pmpTime))
	defer cancel()
	_, err = p.announce(ctx)
	var no *refusal
	if err != nil && !(errors.As(err, &no) && no.code != codeVersion && no.code != codeUnsuppOpcode) {
		return nil, "", &noRouter{fmt.Errorf("%s %s: %w", which, gateway, err)}
	}
	return p, fmt.Sprintf("pcp: %s %s answers", which, gateway), nil
}
