package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// chronicle adds what keeps and shows the past to a daemon, and begins to serve the status page
// where one is wanted. close ends both, once the daemon has ended.
func (a *app) chronicle(ctx context.Context, d *watch.Daemon, f watchFlags, log *slog.Logger) (close func(), err error) {
	var pages *page.Server
	var all sync.WaitGroup
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	if f.listen != "" {
		pages = page.NewServer(version().Version)
		pages.Health = pulse(d)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
		if err != nil {
			stop()
			return nil, fmt.Errorf("--listen: %w", err)
		}
		log.Info("status page", "url", "http://"+l.Addr().String()+"/")
		all.Go(func() {
			if err := serveHere(running, l, pages.Handler(), f.names...); err != nil {
				log.Error("the status page is gone; watching goes on", "error", err)
			}
		})
	}
	c := newChronicle(log, pages)
	d.Observers = append(d.Observers, c)
	load := d.Load
	d.Load = func(ctx context.Context) ([]watch.Site, []watch.Wrong, error) {
		sites, wrong, err := load(ctx)
		c.live(sites)
		return sites, wrong, err
	}
	all.Go(func() { c.run(running) })
	return func() {
		stop()
		all.Wait()
	}, nil
}

// pulse says whether the daemon still looks at all sites.
func pulse(d *watch.Daemon) func() error {
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	every, beat := d.Heartbeat, d.Beat
	d.Beat = func(status string) {
		last.Store(time.Now().UnixNano())
		if beat != nil {
			beat(status)
		}
	}
	return func() error {
		if since := time.Since(time.Unix(0, last.Load())); since > 3*every {
			return fmt.Errorf("a site hangs: the last sign of life is %s old", since.Round(time.Second))
		}
		return nil
	}
}
