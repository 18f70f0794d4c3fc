package receiver

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkHostileHeader sends messages of 48 MiB of header at once, to a receiver in a process of its own: its memory
// at the most.
func BenchmarkHostileHeader(b *testing.B) {
	const size = 48 << 20
	for name, line := range map[string]string{"one line": strings.Repeat("b", 64<<10),
		"short lines": strings.Repeat("A:b\r\n", 13<<10)} {
		for _, sessions := range []int{1, 8, 50} {
			b.Run(fmt.Sprintf("%s/%d", name, sessions), func(b *testing.B) {
				c := startChild(b, b.TempDir())
				for b.Loop() {
					c.headers(b, sessions, size, line)
				}
				b.ReportMetric(float64(c.status(b, "VmHWM"))/1024, "MiB-most")
			})
		}
	}
}

// headers sends messages whose header is without end, each on a connection, and wants them refused.
func (c *child) headers(b *testing.B, sessions, size int, line string) {
	var wg sync.WaitGroup
	for range sessions {
		wg.Go(func() {
			conn, err := net.Dial("tcp", c.addr)
			if err != nil {
				b.Error(err)
				return
			}

			defer conn.Close()

			replies := make(chan string, 1)
			go func() {
				said, _ := io.ReadAll(conn)
				replies <- string(said)
			}()

			fmt.Fprint(conn, "EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\nSubject: ")
			for sent := 0; sent < size; sent += len(line) {
				if _, err := conn.Write([]byte(line)); err != nil {
					break
				}
			}

			fmt.Fprint(conn, "\r\n\r\n.\r\nQUIT\r\n")
			if said := <-replies; !strings.Contains(said, "552 5.3.4") {
				b.Errorf("it is answered %.300q", said)
			}
		})
	}

	wg.Wait()
}

// BenchmarkHeldByFew has four addresses hold all places that the defaults give: how long a message takes from a
// fifth one until it has its 250, with the waits of a sender that is told to come back.
func BenchmarkHeldByFew(b *testing.B) {
	const addresses, each = 4, 50
	for b.Loop() {
		r := start(b, site, strict)
		for a := range addresses {
			for range each {
				r.from(b, fmt.Sprintf("127.0.0.%d", a+2)).expect("220")
			}
		}

		began := time.Now()
		for !r.gets(b, "127.0.0.99") {
			time.Sleep(time.Second)
		}

		b.ReportMetric(time.Since(began).Seconds(), "s-new")
		began = time.Now()
		for !r.gets(b, "127.0.0.98") {
			time.Sleep(time.Second)
		}

		b.ReportMetric(time.Since(began).Seconds(), "s-later")
	}

	b.ReportMetric(0, "ns/op")
}

// gets tries to hand in a message from an address, and reports whether it is taken.
func (r *running) gets(b *testing.B, address string) bool {
	b.Helper()
	c := r.from(b, address)
	defer c.conn.Close()

	if !strings.HasPrefix(c.reply(), "220") {
		return false
	}

	c.message()
	c.send("Subject: wanted\r\n\r\n.\r\n")
	return strings.HasPrefix(c.reply(), "250")
}
