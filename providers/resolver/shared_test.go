package resolver

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// However many sites ask it, one name server has a bounded number of questions to answer at a time, and
// nobody is left without an answer.
func TestSharedBoundsQuestions(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer conn.Close()

	var open, most atomic.Int64
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}

			question := new(dns.Msg)
			if question.Unpack(buf[:n]) != nil {
				continue
			}

			now := open.Add(1)
			for was := most.Load(); now > was &&
				!most.CompareAndSwap(was, now); was = most.Load() {
			}

			go func() {
				time.Sleep(5 * time.Millisecond)
				open.Add(-1)
				answer := new(dns.Msg).SetReply(question)
				answer.RecursionAvailable = true
				reply, _ := answer.Pack()
				_, _ = conn.WriteTo(reply, from)
			}()
		}
	}()

	shared := &QuestionPool{}
	var sites sync.WaitGroup
	for range 400 {
		one := &Resolver{
			Shared:  shared,
			Servers: []string{conn.LocalAddr().String()},
			Timeout: 20 * time.Second,
		}

		sites.Go(func() {
			if _, err := one.Lookup(t.Context(), "nomeazienda.it.", "MX"); err != nil {
				t.Error(err)
			}
		})
	}

	sites.Wait()
	if got := most.Load(); got > mostQuestions || got < 2 {
		t.Errorf("%d questions at a time, want at most %d", got, mostQuestions)
	}

	if len(shared.servers) > 0 {
		t.Errorf("%d servers are remembered that nobody asks", len(shared.servers))
	}
}

// Who waits for a busy server stops with its context.
func TestSharedWaitEnds(t *testing.T) {
	shared := &QuestionPool{}
	const server = "192.0.2.1:53"
	for range mostQuestions {
		if err := shared.acquire(t.Context(), server); err != nil {
			t.Fatal(err)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	if err := shared.acquire(ctx, server); err == nil {
		t.Error("one more question is allowed")
	}

	if err := shared.acquire(t.Context(), "192.0.2.2:53"); err != nil {
		t.Errorf("another server: %v", err)
	}

	shared.release("192.0.2.2:53")
	for range mostQuestions {
		shared.release(server)
	}

	if len(shared.servers) > 0 {
		t.Errorf("%d servers are remembered", len(shared.servers))
	}
}
