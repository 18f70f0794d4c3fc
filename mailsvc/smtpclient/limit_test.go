package smtpclient

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A server that takes two connections at a time is asked by six dialogs at once: each waits until there is room.
func TestConnectionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				defer open.Add(-1)

				if open.Add(1) > 2 {
					fmt.Fprint(server, "421 4.7.0 mail.example Error: too many connections from 10.10.10.10\r\n")
					return
				}

				fmt.Fprint(server, "220 mail.example ESMTP\r\n")
				bufio.NewReader(server).ReadString('\n') // until the client is gone
			}()

			return client, nil
		}

		var wait sync.WaitGroup
		for range 6 {
			wait.Go(func() {
				d, err := Connect(t.Context(), dial, "mail.example:25")
				if err != nil {
					t.Error(err)
					return
				}

				defer d.Drop()

				if !d.Greeting.Accepted() {
					t.Errorf("greeted with %s", d.Greeting)
				}

				time.Sleep(time.Second)
			})
		}

		wait.Wait()
	})
}

// Where there never is room the refusal is what is told, soon; other refusals are not waited for.
func TestConnectionLimitForEver(t *testing.T) {
	for greeting, tries := range map[string]int32{
		"421 4.7.0 mail.example Error: too many connections from 10.10.10.10": 6,
		"421 Too many concurrent SMTP connections; please try again later.":   6,
		"421 4.3.2 Service not available":                                     1,
		"554 5.7.1 too many connections of a spammer":                         1,
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			dial := func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				asked.Add(1)
				go func() {
					fmt.Fprint(server, greeting+"\r\n")
					server.Close()
				}()
				return client, nil
			}

			began := time.Now()
			d, err := Connect(t.Context(), dial, "mail.example:25")
			if err != nil {
				t.Fatal(err)
			}

			d.Drop()
			if got := asked.Load(); got != tries || time.Since(began) > 10*time.Second {
				t.Errorf("%s: asked %d times in %v, want %d", greeting, got, time.Since(began),
					tries)
			}
		})
	}
}
