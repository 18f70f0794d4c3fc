package resolver

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/egress"
)

// Sockets are kept for a moment, as dialling is half of what a question costs; not for long, as a
// port that changes is what a forger has to guess (RFC 5452 section 9.2).
const (
	keptFor  = 2 * time.Second
	keptMost = 64 // for each server
)

// sockets are UDP sockets that wait for the next question to their server. Its zero value has
// none. Safe for concurrent use.
type sockets struct {
	mu      sync.Mutex
	idle    map[string][]socket
	closing bool // a timer runs that closes those that wait too long
}

// socket is one that is connected to a server.
type socket struct {
	*dns.Conn
	since time.Time // when it was put by
}

// take returns one that waits; nil where none does.
func (k *sockets) take(server string) *dns.Conn {
	k.mu.Lock()
	defer k.mu.Unlock()

	list := k.idle[server]
	if len(list) == 0 {
		return nil
	}

	last := list[len(list)-1]
	k.idle[server] = list[:len(list)-1]
	return last.Conn
}

// Put lets one wait that has no answer under way.
func (k *sockets) Put(server string, c *dns.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()

	if len(k.idle[server]) >= keptMost {
		c.Close()
		return
	}

	if k.idle == nil {
		k.idle = map[string][]socket{}
	}

	k.idle[server] = append(k.idle[server], socket{c, time.Now()})
	if !k.closing {
		k.closing = true
		time.AfterFunc(keptFor, k.close)
	}
}

// close closes those that wait for too long, and comes again while others wait.
func (k *sockets) close() {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.closing = false
	for server, list := range k.idle {
		late := 0
		for late < len(list) && time.Since(list[late].since) >= keptFor {
			list[late].Close()
			late++
		}

		if list = list[late:]; len(list) == 0 {
			delete(k.idle, server)
			continue
		}

		k.idle[server] = list
		k.closing = true
	}

	if k.closing {
		time.AfterFunc(keptFor, k.close)
	}
}

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
