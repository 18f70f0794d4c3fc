package receiver

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// from connects from one of the addresses of loopback.
func (r *running) from(t testing.TB, address string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return newClient(t, conn)
}

// TestHeldByFew has four addresses hold every place, as they may: others get in all the same, each in
// the place of a session that waits for nothing.
func TestHeldByFew(t *testing.T) {
	const addresses, each = 4, 5
	r := start(t, site, func(s *Server) {
		strict(s)
		s.MaxConnections = addresses * each
		s.MaxPerAddress = each
	})

	for a := range addresses {
		for range each {
			r.from(t, fmt.Sprintf("127.0.0.%d", a+2)).expect("220")
		}
	}

	r.from(t, "127.0.0.99").expect("421 4.3.2") // those inside have only just come
	time.Sleep(evictAfter + 100*time.Millisecond)
	began := time.Now()

	for i := range 3 {
		c := r.from(t, fmt.Sprintf("127.0.0.%d", 100+i))
		c.expect("220")
		c.message()
		c.send("Subject: wanted\r\n\r\n.\r\n")
		c.expect("250")
	}

	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}

	if s := r.Stats(); s.Evicted < 2 || len(r.stored(t)) != 3 {
		t.Errorf("%d evicted, %d stored", s.Evicted, len(r.stored(t)))
	}
}

// TestCrowded gives less time to everybody while nearly all places are taken.
func TestCrowded(t *testing.T) {
	s := &Server{MaxConnections: 8, IdleTimeout: time.Minute}
	s.fillIn()
	s.door = newConnLimiter(s)

	for range 6 {
		s.door.free <- struct{}{}
	}

	if got := s.patience(); got != time.Minute {
		t.Errorf("with room the patience is %v", got)
	}

	s.door.free <- struct{}{}
	if got := s.patience(); got != stressTimeout {
		t.Errorf("without it the patience is %v", got)
	}
}

// TestWiderNetwork counts all of a /56, from which one customer can take any number of /64.
func TestWiderNetwork(t *testing.T) {
	q := quotas{connections: 2, rate: 100}
	in := 0
	for i := range 16 {
		a := netip.MustParseAddrPort(fmt.Sprintf("[2001:db8:0:%x::1]:1", i))
		if q.acquire(net.TCPAddrFromAddrPort(a), time.Now()) == "" {
			in++
		}
	}

	if in != 2*wider {
		t.Errorf("%d got in, want %d", in, 2*wider)
	}
}

// TestHostileHeaders sends headers without end on many connections: memory stays within bounds.
func TestHostileHeaders(t *testing.T) {
	const sessions, size, bound = 50, 2 << 20, 128 << 20
	r := start(t, site, nil)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup

	for range sessions {
		c := r.dial(t)
		wg.Go(func() {
			c.message()
			line := []byte("A: " + strings.Repeat("b", 60) + "\r\n")
			for sent := 0; sent < size; sent += len(line) * 1000 {
				for range 1000 {
					c.conn.Write(line)
				}
			}

			c.send("\r\n.\r\n")
			c.expect("552 5.3.4")
		})
	}

	var most uint64
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}

		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.Sys-now.HeapReleased)
	}

	t.Logf("%d sessions, %d MiB of header each: %d MiB at most", sessions, size>>20, most>>20)
	if most > bound {
		t.Errorf("%d MiB of memory, want at most %d", most>>20, bound>>20)
	}
}

// TestHandshakes sees which versions and ciphers are taken, and that a handshake that fails is told of.
func TestHandshakes(t *testing.T) {
	config, pool := selfSigned(t)
	for _, c := range []struct {
		name    string
		minimum uint16
		client  *tls.Config
		reason  string // "" where it succeeds
	}{
		{"today's", 0, &tls.Config{}, ""},
		{"TLS 1.2", 0, &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", 0, &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, "client offered only unsupported versions"},
		{"TLS 1.0 where it is wanted", tls.VersionTLS10, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, ""},
		{"TLS 1.2 where 1.3 is wanted", tls.VersionTLS13, &tls.Config{MaxVersion: tls.VersionTLS12}, "client offered only unsupported versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := make(chan Refusal, 10)
			r := start(t, site, func(s *Server) {
				s.TLS = func() *tls.Config { return config }
				s.MinTLS = c.minimum
				s.Refused = func(r Refusal) { told <- r }
			})

			smtp := r.dial(t)
			smtp.say("EHLO client.example", "250")
			smtp.say("STARTTLS", "220")
			c.client.RootCAs = pool
			c.client.ServerName = site.Hostname
			err := tls.Client(smtp.conn, c.client).Handshake()
			if (err == nil) != (c.reason == "") {
				t.Fatalf("handshake: %v", err)
			}

			if c.reason == "" {
				return
			}

			got := <-told
			if !strings.Contains(got.Reply, c.reason) || got.Helo != "client.example" ||
				got.Command != "STARTTLS" {
				t.Errorf("told of %+v, want %q", got, c.reason)
			}

			if n := r.Stats().TLSFailed; n != 1 {
				t.Errorf("%d failures counted", n)
			}
		})
	}
}
