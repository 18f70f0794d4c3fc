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
		select {
		case g.free <- struct{}{}:
			return g.enter(conn), nil
		default:
			g.server.log().Warn("too many connections", "remote", conn.RemoteAddr())
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(conn, "421 4.3.2 "+g.server.hostname()+" has too many connections, please come back later\r\n")
			conn.Close()
		}
	}
}

func (g *gate) enter(conn net.Conn) *wire {
	w := newWire(conn, g.server.hostname(), g.server.limits(), g.server.tls())
	w.closed = func() {
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
