package site

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Sites with one mail host are looked at a few at a time, others beside them.
func TestSharedMailHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Shared{}
		var open, most atomic.Int64
		var all sync.WaitGroup
		start := time.Now()

		for range 100 {
			all.Go(func() {
				release, err := s.useMailHost(t.Context(), "192.168.10.5:25")
				if err != nil {
					t.Error(err)
					return
				}

				if now := open.Add(1); now > most.Load() {
					most.Store(now)
				}

				time.Sleep(time.Second)
				open.Add(-1)
				release()
			})
		}

		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()

		if _, err := s.useMailHost(ctx, "192.168.10.5:25"); err == nil {
			t.Error("there was room for one more")
		}

		release, err := s.useMailHost(t.Context(), "192.168.10.6:25")
		if err != nil {
			t.Fatal(err)
		}

		release()
		all.Wait()
		if most.Load() != perMailHost {
			t.Errorf("%d at a time, want %d", most.Load(), perMailHost)
		}

		if took := time.Since(start); took != 13*time.Second {
			t.Errorf("100 looks of 1 s took %v", took)
		}

		if len(s.hosts) > 0 {
			t.Errorf("%d mail hosts are remembered", len(s.hosts))
		}
	})
}
