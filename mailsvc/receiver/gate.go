package receiver

import (
	"io"
	"net"
	"sync"
	"time"
)

// gate lets a number of connections in at a time; a further one is told to come back
// (421, RFC 5321 section 3.8) and closed.
type gate struct {
	net.Listener
	server *Server
	free   chan struct{}

	mu      sync.Mutex
	inside  map[*wire]bool
	stopped bool
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if refusal := g.server.quotas.enter(conn.RemoteAddr(), time.Now()); refusal != "" {
			g.refuse(conn, refusal)
			continue
		}
		select {
		case g.free <- struct{}{}:
			return g.enter(conn), nil
		default:
			g.server.quotas.leave(conn.RemoteAddr())
			g.refuse(conn, "421 4.3.2 "+g.server.hostname()+" has too many connections, please come back later")
		}
	}
}

// refuse answers in the place of a greeting. An empty socket takes so much without waiting.
func (g *gate) refuse(conn net.Conn, reply string) {
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(conn, reply+"\r\n")
	conn.Close()
	g.server.refused(Refusal{Time: g.server.now(), Remote: conn.RemoteAddr().String(), Reply: reply})
}

func (g *gate) enter(conn net.Conn) *wire {
	w := newWire(conn, g.server.hostname(), g.server.limits(), g.server.tls())
	w.refused = func(r Refusal) { g.server.refused(r) }
	w.secured = func() { g.server.counters.count(func(s *Stats) { s.TLS++ }) }
	g.server.counters.count(func(s *Stats) { s.Connections++; s.Open++ })
	w.closed = func() {
		g.server.quotas.leave(conn.RemoteAddr())
		g.server.counters.count(func(s *Stats) { s.Open-- })
		g.mu.Lock()
		delete(g.inside, w)
		g.mu.Unlock()
		<-g.free
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside[w] = true
	if g.stopped {
		w.stop()
	}
	return w
}

// stop ends the sessions that do nothing, and the others after what they do.
func (g *gate) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	for w := range g.inside {
		w.stop()
	}
}

// abort ends all sessions.
func (g *gate) abort() {
	g.mu.Lock()
	var all []*wire
	for w := range g.inside {
		all = append(all, w)
	}
	g.mu.Unlock()
	for _, w := range all {
		w.abort()
	}
}
