package rfc2136

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/providers/zone"
)

// Pool is what zones at the same name server share: connections, and how much is asked of it
// at a time. Its zero value is ready; methods may be called concurrently. Idle connections are
// closed by Close, or by the server.
type Pool struct {
	brief bool // connections are not kept: nobody will close them

	mu      sync.Mutex
	servers map[string]*dnsServer
}

type poolKey struct{}

// poolOf returns the pool of zones that share it; one of its own, that keeps nothing, where they
// share nothing.
func poolOf(s *zone.Shared) *Pool {
	if s == nil {
		return &Pool{brief: true}
	}
	return zone.SharedBy(s, poolKey{}, func() *Pool { return &Pool{} })
}

// server returns what is shared of host:port.
func (p *Pool) server(addr string) *dnsServer {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.servers == nil {
		p.servers = map[string]*dnsServer{}
	}

	s := p.servers[addr]
	if s == nil {
		s = &dnsServer{
			addr:    addr,
			brief:   p.brief,
			limit:   firstAtOnce,
			ceiling: mostAtOnce,
		}
		p.servers[addr] = s
	}

	return s
}

// Close closes the connections that are not in use.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()

	for _, s := range p.servers {
		s.mu.Lock()
		for _, l := range s.idle {
			l.Close()
		}
		s.idle = nil
		s.mu.Unlock()
	}
}

// How much is asked of a server at a time: at first, and at most. BIND sends 10 zones at a time
// (transfers-out), and one that has just ended counts for a moment beside the next on the
// same connection: hence half of that. It lets 10 connections wait to be accepted
// (tcp-listen-queue).
const (
	firstAtOnce = 4
	mostAtOnce  = 5
)

// dnsServer is one server. It is asked for more at a time while it answers, and for less
// when it turns something away.
type dnsServer struct {
	addr        string
	brief       bool        // see Pool
	transferred atomic.Bool // a zone, at least once
	forbids     atomic.Bool // to transfer a zone, at least once

	mu       sync.Mutex
	limit    int // how much may be under way
	ceiling  int // how much limit may become: less than what was turned away
	busy     int
	entries  ticket // so far
	streak   int    // answers since limit changed
	answered bool
	refusals int   // of what was turned away
	dead     error // why it never answered; then nobody else waits for it, until:
	again    time.Time
	waiting  []chan struct{}
	idle     []*tcpConn
}

// tcpConn is a connection with room for one message.
type tcpConn struct {
	*dns.Conn
	buf  []byte
	used bool // before
}

// ticket is what enter hands out to one that is alone: nothing else is under way, and nothing
// will have been as long as nobody else enters. Else it is 0.
type ticket int

// acquire waits until one more may be under way.
func (s *dnsServer) acquire(ctx context.Context) (ticket, error) {
	s.mu.Lock()
	if s.isDead() {
		defer s.mu.Unlock()
		return 0, s.dead
	}

	if s.busy < s.limit && len(s.waiting) == 0 {
		s.busy++
		defer s.mu.Unlock()
		return s.entered(), nil
	}

	turn := make(chan struct{})
	s.waiting = append(s.waiting, turn)
	s.mu.Unlock()

	select {
	case <-turn:
		s.mu.Lock()
		defer s.mu.Unlock()

		if s.isDead() {
			s.busy--
			s.wake()
			return 0, s.dead
		}

		return s.entered(), nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()

		for i, w := range s.waiting {
			if w == turn {
				s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
				return 0, ctx.Err()
			}
		}

		s.busy-- // the turn came all the same
		s.wake()
		return 0, ctx.Err()
	}
}

// deadFor is how long a server that never answered is not asked again. It is as long as one look at a site
// may have to wait for it.
const deadFor = 30 * time.Second

// isDead reports whether the server never answered, and was asked a moment ago. It is called with the lock held.
func (s *dnsServer) isDead() bool {
	return s.dead != nil && !s.answered && time.Now().Before(s.again)
}

// entered is called with the lock held.
func (s *dnsServer) entered() ticket {
	s.entries++
	if s.busy == 1 {
		return s.entries
	}
	return 0
}

// wasAlone reports whether the holder of a ticket was alone up to now.
func (s *dnsServer) wasAlone(t ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t != 0 && t == s.entries
}

// exchangeResult is what came of something that was under way.
type exchangeResult int

const (
	answered exchangeResult = iota
	turnedAway
	fellSilent
	givenUp // nobody waited for an answer
)

// outcomeOf tells what an error says of the server.
func outcomeOf(err error) exchangeResult {
	if errors.Is(err, context.Canceled) {
		return givenUp
	}
	if err != nil && (sockerr.Closed(err) || errors.As(err, new(net.Error)) ||
		errors.Is(err, context.DeadlineExceeded)) {
		return fellSilent
	}

	return answered
}

// release ends what enter began.
func (s *dnsServer) release(v exchangeResult, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	switch v {
	case answered:
		s.answered = true
		s.streak++
		switch {
		case s.limit < s.ceiling && s.streak >= s.limit:
			s.limit = s.limit + 1
			s.streak = 0
		case s.ceiling < mostAtOnce && s.streak >= 16*s.limit: // it may have more room by now
			s.ceiling = s.ceiling + 1
			s.streak = 0
		}
	case turnedAway:
		s.answered = true
		s.refusals = s.refusals + 1
		fallthrough
	case fellSilent:
		if v == fellSilent && (s.dead == nil || !time.Now().Before(s.again)) {
			s.dead = err
			s.again = time.Now().Add(deadFor)
		}

		if s.busy > 1 {
			s.ceiling = max(min(s.ceiling, s.busy-1), 1)
		}

		s.limit = max(min(s.limit/2, s.ceiling), 1)
		s.streak = 0
	}

	s.busy--
	s.wake()
}

// wake is called with the lock held.
func (s *dnsServer) wake() {
	for s.busy < s.limit && len(s.waiting) > 0 {
		s.busy++
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}

// hasAnswered reports whether the server ever did.
func (s *dnsServer) hasAnswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// take returns a connection, one that is idle where there is one.
func (s *dnsServer) take(ctx context.Context, timeout time.Duration, fresh bool) (*tcpConn, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 && !fresh {
		l := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()

		if err := egress.Connected(ctx, l.RemoteAddr()); err != nil {
			s.Put(l)
			return nil, err
		}

		return l, nil
	}

	s.mu.Unlock()
	client := dns.Client{
		Net:     "tcp",
		Timeout: timeout,
		Dialer:  &net.Dialer{Timeout: timeout, ControlContext: egress.Control},
	}

	conn, err := client.DialContext(ctx, s.addr)
	if err != nil {
		return nil, err
	}

	conn.Conn = buffered{conn.Conn, bufio.NewReaderSize(conn.Conn, 4096)}
	return &tcpConn{Conn: conn}, nil
}

// buffered reads a message's length and its beginning at once.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func (s *dnsServer) Put(l *tcpConn) {
	l.used = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, l)
}

// withConn calls use with a connection whose every step must be done within timeout; it ends when ctx
// does. A server may have closed an idle connection: then use is called again with a new one.
// Where once is set there is no second try, and the connection is a new one.
func (s *dnsServer) withConn(ctx context.Context, timeout time.Duration, once bool, use func(*tcpConn) error) error {
	for {
		l, err := s.take(ctx, timeout, once)
		if ctx.Err() != nil {
			err = ctx.Err()
		}

		if err != nil {
			if l != nil {
				l.Close()
			}
			return err
		}

		used := l.used
		stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
		err = use(l)
		if !stop() || err != nil || s.brief {
			l.Close()
		} else {
			s.Put(l)
		}

		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case used && sockerr.Closed(err):
			continue
		}

		return err
	}
}

// tsigKey signs messages (RFC 8945).
type tsigKey struct{ name, alg, secret string }

// send signs and writes a message and returns its MAC, which the reply is signed with. It may be
// called again with the same message.
func (l *tcpConn) send(m *dns.Msg, key tsigKey, timeout time.Duration) (mac string, err error) {
	m.SetTsig(key.name, key.alg, 300, time.Now().Unix())
	wire, mac, err := dns.TsigGenerate(m, key.secret, "", false) // takes the TSIG off m again
	if err != nil {
		return "", err
	}

	_ = l.SetDeadline(time.Now().Add(timeout))
	_, err = l.Write(wire)
	return mac, err
}

// receive returns the next message as it came. It is good until the next call.
func (l *tcpConn) receive(timeout time.Duration) ([]byte, error) {
	if l.buf == nil {
		l.buf = make([]byte, dns.MaxMsgSize)
	}

	_ = l.SetDeadline(time.Now().Add(timeout))
	n, err := l.Read(l.buf)
	if err != nil {
		return nil, err
	}
	if n < 12 {
		return nil, fmt.Errorf("a reply of %d octets is too short", n)
	}

	return l.buf[:n], nil
}
