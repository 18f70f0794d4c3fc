package receiver

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// strict has a server count its clients on loopback, too.
func strict(s *Server) { s.quotas.exempt = func(netip.Addr) bool { return false } }

// TestAbuse has a client do what none should, and sees what it is told, what is stored, and that the
// next client finds a receiver that works.
func TestAbuse(t *testing.T) {
	const to354 = "EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\n"
	for name, c := range map[string]struct {
		change func(*Server)
		send   string
		wants  []string // in this order, among the replies
		ends   bool     // the receiver closes
		stored int
		reason string // that is counted; "" for none
	}{
		"NUL in a command":             {send: "EHLO c\x00.example\r\n", wants: []string{"500 5.5.2 control character"}, ends: true, reason: "500 5.5.2"},
		"NUL in DATA":                  {send: to354 + "a\x00b\r\n.\r\nNOOP\r\n", wants: []string{"354", "550 5.6.0", "421 4.7.0"}, ends: true, reason: "550 5.6.0"},
		"an endless command":           {send: strings.Repeat("x", 100<<10), wants: []string{"500 5.5.2 line too long"}, ends: true, reason: "500 5.5.2"},
		"an endless line in DATA":      {send: to354 + "\r\n" + strings.Repeat("x", 2<<20) + "\r\n.\r\n", wants: []string{"354", "250 2.0.0"}, stored: 1},
		"a message beyond the size":    {change: func(s *Server) { s.MaxSize = 1000 }, send: to354 + strings.Repeat("0123456\r\n", 1000) + ".\r\n", wants: []string{"354", "552 5.3.4"}, reason: "552 5.3.4"},
		"commands before the greeting": {send: to354 + "x\r\n.\r\nQUIT\r\n", wants: []string{"220", "354", "250 2.0.0", "221"}, ends: true, stored: 1},
		"HTTP":                         {send: "POST / HTTP/1.1\r\nHost: mail\r\nUser-Agent: x\r\nContent-Length: 5\r\nAccept: */*\r\n\r\n", wants: []string{"500 5.5.2 this is a mail server"}, ends: true, reason: "500 5.5.2"},
		"1,000 recipients": {
			change: func(s *Server) { s.MaxRecipients = 100 },
			send:   "EHLO c.example\r\nMAIL FROM:<a@c.example>\r\n" + strings.Repeat("RCPT TO:<postmaster>\r\n", 1000) + "DATA\r\nx\r\n.\r\n",
			wants:  []string{"250", "452 4.5.3", "354", "250 2.0.0"}, stored: 1, reason: "452 4.5.3",
		},
		"looking for recipients": {
			send:  "EHLO c.example\r\nMAIL FROM:<a@c.example>\r\n" + strings.Repeat("RCPT TO:<nobody@nomeazienda.it>\r\n", maxBad+1),
			wants: []string{"550 5.1.1", "421 4.7.0 too many commands"}, ends: true, reason: "550 5.1.1",
		},
		"a stall before the first command": {change: stalls, wants: []string{"220", "421 4.4.2"}, ends: true, reason: "421 4.4.2"},
		"a stall in a command":             {change: stalls, send: "EHLO c.exa", wants: []string{"220", "421 4.4.2"}, ends: true, reason: "421 4.4.2"},
		"a stall in DATA":                  {change: stalls, send: to354 + "Subject: x\r\n", wants: []string{"354", "451 4.4.2"}, ends: true, reason: "451 4.4.2"},
		"a stall in BDAT":                  {change: stalls, send: strings.Replace(to354, "DATA", "BDAT 100 LAST", 1) + "Subject: x\r\n", wants: []string{"250", "451 4.4.2"}, ends: true, reason: "451 4.4.2"},
		"a stall between chunks":           {change: stalls, send: strings.Replace(to354, "DATA", "BDAT 3", 1) + "abc", wants: []string{"250", "421 4.4.2"}, ends: true, reason: "421 4.4.2"},
		"a header without end":             {send: to354 + strings.Repeat("A: b\r\n", 30000) + "\r\n.\r\n", wants: []string{"354", "552 5.3.4 the header"}, reason: "552 5.3.4"},
		"a header line without end":        {send: to354 + "A: " + strings.Repeat("b", 200000) + "\r\n\r\n.\r\n", wants: []string{"354", "552 5.3.4 the header"}, reason: "552 5.3.4"},
		"a loop":                           {send: to354 + strings.Repeat("Received: from a by b; x\r\n", maxHops+1) + "\r\n.\r\n", wants: []string{"354", "554 5.4.6"}, reason: "554 5.4.6"},
		"nearly a loop":                    {send: to354 + strings.Repeat("received: from a by b; x\r\n", maxHops) + "\r\nReceived: no\r\n.\r\n", wants: []string{"354", "250 2.0.0"}, stored: 1},
		"nothing but NOOP":                 {send: "EHLO c.example\r\n" + strings.Repeat("NOOP\r\n", maxIdle+2), wants: []string{"250", "421 4.7.0 too many commands without"}, ends: true, reason: "421 4.7.0"},
		"a session without end":            {change: func(s *Server) { s.SessionTimeout = 100 * time.Millisecond }, send: "EHLO c.example\r\n", wants: []string{"250", "421 4.4.2"}, ends: true, reason: "421 4.4.2"},
		"a stall with a password":          {change: stalls, send: "EHLO c.example\r\nAUTH PLAIN AHNlY3JldAA=\r\n", wants: []string{"504"}, ends: true, reason: "504 5.7.4"},
		"too many messages": {
			change: func(s *Server) { strict(s); s.MaxRate = 2 },
			send:   "EHLO c.example\r\n" + strings.Repeat("MAIL FROM:<a@c.example>\r\nRSET\r\n", 3), wants: []string{"250", "450 4.7.0 too many messages"}, reason: "450 4.7.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var refused []Refusal
			r := start(t, site, func(s *Server) {
				s.Refused = func(r Refusal) {
					mu.Lock()
					refused = append(refused, r)
					mu.Unlock()
				}

				if c.change != nil {
					c.change(s)
				}
			})

			client := r.connect(t)
			go client.conn.Write([]byte(c.send)) // the receiver may close before it has read all
			var got []string

			for {
				if !c.ends && len(c.wants) > 0 && contains(got, c.wants) {
					break
				}

				reply := client.reply()
				if reply == "" {
					break
				}

				got = append(got, reply)
			}

			if !contains(got, c.wants) {
				t.Errorf("replies %.2000q, want %q", got, c.wants)
			}

			if n := len(r.stored(t)); n != c.stored {
				t.Errorf("%d stored, want %d", n, c.stored)
			}

			if c.ends {
				client.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				if n, err := client.conn.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Error("the receiver does not close")
				}
			}

			if c.reason != "" && r.Stats().Refused[c.reason] == 0 {
				t.Errorf("counted %v, want %s", r.Stats().Refused, c.reason)
			}

			mu.Lock()
			for _, one := range refused {
				if strings.Contains(fmt.Sprint(one), "AHNlY3JldAA") ||
					len(one.Command) > maxCommand || one.Remote == "" || one.Time.IsZero() {
					t.Errorf("told of %+v", one)
				}
			}

			mu.Unlock()
			if c.reason != "450 4.7.0" { // here the next one comes from the same address
				r.dial(t).say("EHLO c.example", "250")
			}
		})
	}
}

func stalls(s *Server) { s.IdleTimeout = 200 * time.Millisecond }

// contains reports whether there are replies that begin so, in this order.
func contains(replies, wants []string) bool {
	for _, want := range wants {
		i := slices.IndexFunc(replies, func(r string) bool {
			return strings.HasPrefix(r, want)
		})
		if i < 0 {
			return false
		}
		replies = replies[i+1:]
	}

	return true
}

// TestFlood opens connections beyond each limit: those further get a 421 and are gone, and once others
// have left there is room again.
func TestFlood(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Server)
		want   string
	}{
		"from everywhere":  {func(s *Server) { s.MaxConnections = 3 }, "421 4.3.2 mail.nomeazienda.it has too many connections"},
		"from one address": {func(s *Server) { strict(s); s.MaxPerAddress = 3 }, "421 4.7.0 too many connections from your address, please"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, site, c.change)
			var in []*client
			for range 3 {
				in = append(in, r.dial(t))
			}

			for range 200 {
				more := r.connect(t)
				more.expect(c.want)
				more.expect("")
				more.conn.Close()
			}

			in[0].say("EHLO client.example", "250") // those inside notice nothing
			in[1].say("QUIT", "221")
			in[1].expect("")

			for greeted := false; !greeted; { // the place is free a moment after
				next := r.connect(t)
				greeted = strings.HasPrefix(next.reply(), "220")
				if !greeted {
					next.conn.Close()
				}
			}

			counted := func(s Stats) bool {
				return s.Connections == 4 && s.Open == 3 && s.Refused[c.want[:9]] >= 200
			}

			for wait := 0; !counted(r.Stats()) && wait < 1000; wait++ { // a refusal is counted when its reply is out
				time.Sleep(10 * time.Millisecond)
			}

			if s := r.Stats(); !counted(s) {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func TestQuotas(t *testing.T) {
	now := time.Now()
	q := quotas{connections: 2, rate: 4}
	at := func(s string) net.Addr {
		return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s))
	}

	enter := func(from, want string, now time.Time) {
		t.Helper()
		if got := q.acquire(at(from), now); !strings.HasPrefix(got, want) ||
			want == "" && got != "" {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}

	for range 50 { // the own network, and a router in it that hides the senders
		for _, own := range []string{"127.0.0.1:1", "192.168.1.1:1", "10.0.0.1:1", "[::1]:1",
			"[fe80::1%eth0]:1", "[fd00::1]:1", "[::ffff:10.0.0.1]:1"} {
			enter(own, "", now)
		}
	}

	enter("192.0.2.1:1", "", now)
	enter("192.0.2.1:2", "", now)
	enter("[::ffff:192.0.2.1]:3", "421 4.7.0 too many connections from your address, please",
		now)

	enter("192.0.2.2:1", "", now)
	enter("[2001:db8:0:1::1]:1", "", now)
	enter("[2001:db8:0:1::2]:1", "", now)
	enter("[2001:db8:0:1::3]:1", "421", now) // the same customer
	enter("[2001:db8:0:2::1]:1", "", now)
	q.release(at("192.0.2.1:1"))
	enter("192.0.2.1:4", "", now)

	if !q.message(at("192.0.2.1:4"), now) || q.message(at("192.0.2.1:4"), now) {
		t.Error("four a minute are not four")
	}

	q.release(at("192.0.2.1:4"))
	enter("192.0.2.1:5", "421 4.7.0 too many connections from your address in a minute", now)
	enter("192.0.2.1:5", "", now.Add(16*time.Second)) // a quarter of a minute gives one more
	later := now.Add(time.Hour)

	for i := range 2 * maxIdleQuotas {
		later = later.Add(time.Minute)
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8),
			byte(i)}), 1)
		q.acquire(net.TCPAddrFromAddrPort(a), later)
		q.release(net.TCPAddrFromAddrPort(a))
	}

	if len(q.by) > maxIdleQuotas+2 {
		t.Errorf("%d addresses are remembered", len(q.by))
	}

	enter("192.0.2.1:6", "421 4.7.0 too many connections from your address, please", later) // who is here is
}
