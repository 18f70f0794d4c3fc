package resolver

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/servertest"
)

// A socket is used again, for a while, and never for a question whose answer may still come.
func TestKeptSockets(t *testing.T) {
	var mu sync.Mutex
	var from []string
	deaf := false
	addr := servertest.Handled(t, func(w dns.ResponseWriter, m *dns.Msg) {
		mu.Lock()
		defer mu.Unlock()
		from = append(from, w.RemoteAddr().String())
		if !deaf {
			w.WriteMsg(new(dns.Msg).SetReply(m))
		}
	})

	r := &Resolver{Timeout: 200 * time.Millisecond, Attempts: 1}
	ask := func() error {
		_, err := r.Ask(t.Context(), addr, "nomeazienda.it", "MX")
		return err
	}

	for range 2 {
		ask() // says nothing, which is a reply
	}

	mu.Lock()
	if len(from) != 2 || from[0] != from[1] {
		t.Errorf("asked from %q, want the same socket twice", from)
	}

	deaf = true
	mu.Unlock()
	if err := ask(); err == nil {
		t.Error("a server that says nothing has answered")
	}

	if n := waiting(r, addr); n != 0 {
		t.Errorf("%d sockets wait, though an answer is under way", n)
	}

	mu.Lock()
	deaf = false
	mu.Unlock()
	ask()

	if n := waiting(r, addr); n != 1 {
		t.Errorf("%d sockets wait, want 1", n)
	}

	for end := time.Now().Add(10 * time.Second); waiting(r,
		addr) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a socket is kept for ever")
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Ask(ctx, addr, "nomeazienda.it", "MX"); err == nil {
		t.Error("asked though nobody waits")
	}
}

// A socket that was kept may have heard meanwhile that nobody listened any more.
func TestKeptSocketOfServerThatCameBack(t *testing.T) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	r := &Resolver{Timeout: 5 * time.Second, Attempts: 1}
	addr := p.LocalAddr().String()
	reply := func(p net.PacketConn) *dns.Server {
		ready := make(chan struct{})
		s := &dns.Server{
			PacketConn:        p,
			NotifyStartedFunc: func() { close(ready) },
			Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
				a := new(dns.Msg).SetReply(m)
				a.Authoritative = true
				w.WriteMsg(a)
			}),
		}

		go s.ActivateAndServe()
		<-ready
		return s
	}

	s := reply(p)
	if _, err := r.Ask(t.Context(), addr, "nomeazienda.it", "MX"); err != nil {
		t.Fatal(err)
	}

	s.Shutdown()
	if _, err := r.Ask(t.Context(), addr, "nomeazienda.it", "MX"); err == nil {
		t.Fatal("nobody listens, and it answers")
	}

	if p, err = net.ListenPacket("udp", addr); err != nil {
		t.Fatal(err)
	}

	defer reply(p).Shutdown()

	if _, err := r.Ask(t.Context(), addr, "nomeazienda.it", "MX"); err != nil {
		t.Error(err)
	}
}

func waiting(r *Resolver, server string) int {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return len(r.kept.idle[server])
}
