package receiver

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkReceive is ten clients on kept connections, each message of 4 KiB on disk, file and
// directory synced, before 250; against the same files written without SMTP.
func BenchmarkReceive(b *testing.B) {
	const clients, each = 10, 100
	body := strings.Repeat("0123456789abcdef0123456789abcde\r\n", 124)
	r := start(b, site, nil)
	all := make([]*client, clients)
	for i := range all {
		all[i] = r.dial(b)
		all[i].conn.SetDeadline(time.Now().Add(time.Hour))
		all[i].say("EHLO client.example", "250")
	}
	bare := maildir{disk: osDisk{}, root: b.TempDir()}
	together := func(send func(client, n int)) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				for n := range each {
					send(i, n)
				}
			})
		}
		wg.Wait()
		return time.Since(start)
	}
	var smtp, floor time.Duration
	rounds := 0
	for b.Loop() {
		smtp += together(func(i, _ int) {
			c := all[i]
			c.send("MAIL FROM:<a@client.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\n")
			for _, want := range []string{"250", "250", "354"} {
				c.expect(want)
			}
			c.send(body + ".\r\n")
			c.expect("250")
		})
		floor += together(func(i, n int) {
			if _, _, err := bare.store([]string{"mario"}, fmt.Sprintf("%d-%d-%d", rounds, i, n), nil, strings.NewReader(body)); err != nil {
				b.Error(err)
			}
		})
		rounds++
	}
	messages := float64(rounds * clients * each)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(messages/smtp.Seconds(), "msgs/s")
	b.ReportMetric(messages/floor.Seconds(), "msgs/s-floor")
	b.ReportMetric(smtp.Seconds()/floor.Seconds(), "x-floor")
}
