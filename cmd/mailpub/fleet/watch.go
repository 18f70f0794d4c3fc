package fleet

import (
	"context"
	"os"
	"os/signal"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// daemon is what watches the sites of some files.
func (o Options) daemon() *watch.Daemon {
	return &watch.Daemon{
		Load: func(ctx context.Context) ([]watch.Site, []watch.BadConfig, error) {
			return load(ctx, o.Paths, o.Site)
		},
		Logger: o.Log,
	}
}

// Watch watches sites until ctx is done. It reads configs again when they change, and on SIGHUP, and
// tells systemd how it is.
func Watch(ctx context.Context, o Options) error {
	d := o.daemon()
	systemd := newSDNotify(o.Log)
	d.State = systemd.state
	d.Beat = systemd.sendHeartbeat
	d.Heartbeat = systemd.heartbeat()
	closeRecords, err := startHistory(ctx, d, o)
	if err != nil {
		return err
	}

	defer closeRecords()

	changes, err := watchFiles(o.Paths, d.Changed)
	if err != nil {
		o.Log.Warn("cannot watch the files for changes; SIGHUP reloads them", "error", err)
	} else {
		defer changes.Close()
	}

	hangups := make(chan os.Signal, 1)
	notifyReload(hangups)
	defer signal.Stop(hangups)

	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				d.Reload()
			}
		}
	}()

	return d.Run(ctx)
}

// Once looks at each site once, repairs it, and notifies. It serves no status page.
func Once(ctx context.Context, o Options) ([]watch.Snapshot, error) {
	o.Listen = ""
	d := o.daemon()
	closeRecords, err := startHistory(ctx, d, o)
	if err != nil {
		return nil, err
	}

	defer closeRecords()

	return d.Once(ctx)
}
