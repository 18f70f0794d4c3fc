package fleet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// startHistory adds what keeps and shows the past to a daemon, and begins to serve the status page where
// one is wanted. close ends both, after the daemon has ended.
func startHistory(ctx context.Context, d *watch.Daemon, o Options) (close func(), err error) {
	var pages *page.Server
	var all sync.WaitGroup
	running, stop := context.WithCancel(context.WithoutCancel(ctx))

	if o.Listen != "" {
		open := o.ListenToken == "" && !page.IsLoopback(o.Listen)
		if open && !o.Insecure {
			stop()
			return nil, fmt.Errorf("--listen %s: other machines could read the status of the sites: "+
				"want --listen-token with a reference to a token, an address like 127.0.0.1:8025, or --insecure",
				o.Listen)
		}

		pages = page.NewServer(o.Version)
		pages.Health = liveness(d)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
		if err != nil {
			stop()
			return nil, fmt.Errorf("--listen: %w", err)
		}

		o.Log.Info("status page", "url", "http://"+l.Addr().String()+"/")
		if open {
			o.Log.Warn("the status page needs no token (--insecure): anyone who can connect to it can read it")
		}

		handler := pages.Handler()
		if o.ListenToken != "" {
			handler = page.WithToken(handler, o.ListenToken)
		}

		all.Go(func() {
			if err := page.Serve(running, l, handler, o.ListenNames...); err != nil {
				o.Log.Error("the status page has stopped; watching continues", "error", err)
			}
		})
	}

	recorder := newHistoryRecorder(o.Log, pages)
	if pages != nil {
		pages.Past = recorder.readPast
	}

	d.Observers = append(d.Observers, recorder)
	load := d.Load
	d.Load = func(ctx context.Context) ([]watch.Site, []watch.BadConfig, error) {
		sites, wrong, err := load(ctx)
		recorder.setSites(sites)
		return sites, wrong, err
	}

	all.Go(func() { recorder.run(running) })
	return func() {
		stop()
		all.Wait()
	}, nil
}

// liveness says whether the daemon still looks at all sites.
func liveness(d *watch.Daemon) func() error {
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	every := d.Heartbeat
	beat := d.Beat
	d.Beat = func(status string) {
		last.Store(time.Now().UnixNano())
		if beat != nil {
			beat(status)
		}
	}

	return func() error {
		if since := time.Since(time.Unix(0, last.Load())); since > 3*every {
			return fmt.Errorf("the check of a site hangs: last activity %s ago",
				since.Round(time.Second))
		}
		return nil
	}
}
