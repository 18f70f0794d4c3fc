package receiver

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// evictAfter is how long a session may wait for a command before another client may get
	// its place.
	evictAfter = 5 * time.Second

	// evictWait is how long a client at the door waits for such a place.
	evictWait = 2 * time.Second

	// maxAtDoor bounds how many do.
	maxAtDoor = 50

	// stressTimeout is the longest silence while the receiver is nearly full, as Postfix has it
	// in its stress mode.
	stressTimeout = 10 * time.Second
)

// connLimiter lets a number of sessions in at a time. While all places are taken, the session that has
// waited longest for a command, of the sender that holds most of them, leaves for a new client. Is
// there none, the new one is told to come back (421, RFC 5321 section 3.8).
type connLimiter struct {
	server *Server
	free   chan struct{} // a place each
	waits  chan struct{} // a client at the door each

	mu      sync.Mutex
	inside  map[*conn]bool
	stopped bool
	gone    sync.WaitGroup
}

func newConnLimiter(s *Server) *connLimiter {
	return &connLimiter{
		server: s,
		free:   make(chan struct{}, s.MaxConnections),
		waits:  make(chan struct{}, maxAtDoor),
		inside: map[*conn]bool{},
	}
}

// admit serves a connection in a goroutine of its own, or refuses it.
func (d *connLimiter) admit(ctx context.Context, raw net.Conn) {
	if refusal := d.server.quotas.acquire(raw.RemoteAddr(), time.Now()); refusal != "" {
		d.refuse(raw, refusal)
		return
	}

	select {
	case d.free <- struct{}{}:
		d.gone.Go(func() { d.serve(ctx, raw) })
		return
	default:
	}

	select {
	case d.waits <- struct{}{}:
		d.gone.Go(func() { d.waitForPlace(ctx, raw) })
	default:
		d.full(raw)
	}
}

// waitForPlace serves a connection in the place of another one.
func (d *connLimiter) waitForPlace(ctx context.Context, raw net.Conn) {
	evicted := d.evict(time.Now())
	if !evicted {
		<-d.waits
		d.full(raw)
		return
	}

	timer := time.NewTimer(evictWait)
	defer timer.Stop()

	select {
	case d.free <- struct{}{}:
		<-d.waits
		d.serve(ctx, raw)
	case <-timer.C:
		<-d.waits
		d.full(raw)
	case <-ctx.Done():
		<-d.waits
		d.full(raw)
	}
}

func (d *connLimiter) full(raw net.Conn) {
	d.server.quotas.release(raw.RemoteAddr())
	d.refuse(raw, "421 4.3.2 "+d.server.hostname()+
		" has too many connections, please come back later")
}

// refuse answers in the place of a greeting. An empty socket takes so much without waiting.
func (d *connLimiter) refuse(raw net.Conn, reply string) {
	raw.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(raw, reply+"\r\n")
	raw.Close()
	d.server.refused(Refusal{
		Time:   d.server.now(),
		Remote: raw.RemoteAddr().String(),
		Reply:  reply,
	})
}

// serve holds a session that has a place.
func (d *connLimiter) serve(ctx context.Context, raw net.Conn) {
	c := d.server.newConn(raw)
	d.server.counters.count(func(s *Stats) { s.Connections++; s.Open++ })
	d.mu.Lock()
	d.inside[c] = true

	if d.stopped {
		c.stop(d.shutdownReply())
	}

	d.mu.Unlock()
	c.serve(ctx)
	d.mu.Lock()
	delete(d.inside, c)
	d.mu.Unlock()
	d.server.counters.count(func(s *Stats) { s.Open-- })
	d.server.quotas.release(raw.RemoteAddr())
	<-d.free
}

func (d *connLimiter) shutdownReply() string {
	return d.server.hostname() +
		" is shutting down"
}

// isStressed reports whether so many are inside that nobody may take his time.
func (d *connLimiter) isStressed() bool {
	return len(d.free) > d.server.MaxConnections*3/4
}

// evict ends the session that may best be done without; false when there is none.
func (d *connLimiter) evict(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	held := map[string]int{}
	for c := range d.inside {
		held[d.server.quotas.sender(c.raw.RemoteAddr())]++
	}

	var victim *conn
	var since time.Time
	most := 0

	for c := range d.inside {
		waits := c.waitingSince()
		if c.evicted || waits.IsZero() || now.Sub(waits) < evictAfter {
			continue
		}

		n := held[d.server.quotas.sender(c.raw.RemoteAddr())]
		if victim == nil || n > most || n == most && waits.Before(since) {
			victim, since, most = c, waits, n
		}
	}

	if victim == nil {
		return false
	}

	victim.stop(d.server.hostname() + " needs this connection for others")
	victim.evicted = true // so that nobody else waits for the same place
	d.server.counters.count(func(s *Stats) { s.Evicted++ })

	return true
}

// stop ends the sessions that do nothing, and the others after what they do.
func (d *connLimiter) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	for c := range d.inside {
		c.stop(d.shutdownReply())
	}
}

// abort ends all sessions.
func (d *connLimiter) abort() {
	d.mu.Lock()
	var all []*conn
	for c := range d.inside {
		all = append(all, c)
	}

	d.mu.Unlock()
	for _, c := range all {
		c.abort()
	}
}
