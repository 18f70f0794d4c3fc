package resolver

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/egress"
)

// udp asks once over UDP, on a kept socket where there is one. A socket that was kept may tell of
// an error that is not of this question; then it is asked on a new one.
func (r *Resolver) udp(ctx context.Context, m *dns.Msg, server string, timeout time.Duration) (*dns.Msg, error) {
	if r.Shared != nil {
		if err := r.Shared.acquire(ctx, server); err != nil {
			return nil, err
		}
		defer r.Shared.release(server)
	}

	deadline := time.Now().Add(timeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}

	ctx = r.operatorContext(ctx, server)
	if conn := r.sockets().take(server); conn != nil {
		if err := egress.Connected(ctx, conn.RemoteAddr()); err != nil {
			r.sockets().Put(server, conn)
			return nil, err
		}

		reply, err := r.converse(ctx, conn, m, server, deadline)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			return reply, err
		}
	}

	raw, err := (&net.Dialer{Deadline: deadline, ControlContext: egress.Control}).DialContext(ctx, "udp", server)
	if err != nil {
		return nil, err
	}

	return r.converse(ctx, &dns.Conn{Conn: raw}, m, server, deadline)
}

// converse sends a question and reads the reply to it. It keeps the socket for the next where
// all is well, and closes it otherwise.
func (r *Resolver) converse(ctx context.Context, conn *dns.Conn, m *dns.Msg, server string, deadline time.Time) (*dns.Msg, error) {
	conn.UDPSize = dns.MinMsgSize
	if opt := m.IsEdns0(); opt != nil {
		conn.UDPSize = max(opt.UDPSize(), dns.MinMsgSize)
	}

	err := conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err == nil {
		err = conn.WriteMsg(m)
	}

	var reply *dns.Msg
	for err == nil && (reply == nil || reply.Id != m.Id) { // another's is late
		reply, err = conn.ReadMsg()
	}

	if !stop() || err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}

	r.sockets().Put(server, conn)
	return reply, nil
}

// sockets are those that the resolver keeps.
func (r *Resolver) sockets() *sockets {
	if r.Shared != nil {
		return &r.Shared.sockets
	}
	return &r.kept
}
