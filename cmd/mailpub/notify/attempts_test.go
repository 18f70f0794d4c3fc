package notify

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Whatever is tried for a week of a service that never answers, three attempts hang and no more; as
// soon as one of them ends the channel works again.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{}
		release := make(chan error)
		var running atomic.Int64
		hang := func() error { running.Add(1); return <-release }
		refused := 0

		for range 7 * 24 * 12 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			err := a.do(ctx, hang)
			cancel()

			switch {
			case errors.Is(err, errHangs):
				refused++
			case !errors.Is(err, context.DeadlineExceeded):
				t.Fatal(err)
			}

			time.Sleep(5 * time.Minute)
		}

		if running.Load() != hangingMost || refused != 7*24*12-hangingMost {
			t.Errorf("%d were begun and %d refused", running.Load(), refused)
		}

		release <- errors.New("too late")
		synctest.Wait()
		time.Sleep(hangingPause)
		if err := a.do(t.Context(), func() error { return nil }); err != nil {
			t.Error(err)
		}

		release <- nil
		release <- nil
		synctest.Wait()
		want := errors.New("no")

		for range 5 { // nothing hangs: there is no pause
			if err := a.do(t.Context(), func() error {
				return want
			}); !errors.Is(err, want) {
				t.Error(err)
			}
		}
	})
}

// A real service that takes connections and never answers costs the connection of one attempt, however
// many notices there are.
func TestServiceThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	accepted := make(chan net.Conn, 100)
	done := make(chan struct{})
	var held []net.Conn
	go func() {
		defer close(done)

		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()

	t.Cleanup(func() { // what hangs ends with its connection
		l.Close()
		<-done
		close(accepted)

		for c := range accepted {
			held = append(held, c)
		}

		for _, c := range held {
			c.Close()
		}
	})

	for _, url := range []string{"smtp://" + l.Addr().String() +
		"/?fromAddress=a@example.org&toAddresses=b@example.org&auth=none&encryption=none&usestarttls=no",
		"generic://" + l.Addr().String() + "/hook?disabletls=yes"} {
		c, err := Service(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}

		hangs := 0
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			err := c.Send(ctx, watch.Notice{
				Kind:  watch.Broke,
				Site:  "office",
				Title: "broken",
				Text:  "broken",
			})

			cancel()
			if err == nil {
				t.Fatal("it was taken")
			}

			if errors.Is(err, errHangs) {
				hangs++
			}
		}

		if hangs != 19 {
			t.Errorf("%s: %d of 20 were refused", c.Name, hangs)
		}

		held = append(held, <-accepted)
		if more := len(accepted); more > 0 {
			t.Errorf("%s: %d connections beside that of the one attempt", c.Name, more)
		}
	}
}
