package resolver

import (
	"sync"
	"time"

	"github.com/miekg/dns"
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
