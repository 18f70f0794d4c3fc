package fleet

import (
	"context"
	"os"
	"os/signal"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// idleTime is how often connections are closed that no site uses.
const idleTime = time.Minute

// daemon is what watches the sites of some files. end ends what they share.
func (o Options) daemon() (d *watch.Daemon, configs *loader, end func()) {
	o.Site = o.Site.Serial()
	shared := o.Site.Shared
	if shared == nil {
		shared = &site.Shared{}
		o.Site.Shared = shared
	}

	idle := time.NewTicker(idleTime)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-idle.C:
				shared.CloseIdle()
			case <-ended:
				return
			}
		}
	}()

	configs = newLoader(o.Paths, o.Site)
	d = &watch.Daemon{
		Load:   configs.load,
		Logger: o.Log,
		Passes: o.AtOnce,
	}

	return d, configs, func() {
		idle.Stop()
		close(ended)
		shared.CloseIdle()
	}
}

// Watch watches sites until ctx is done. It reads configs again when they change, and on SIGHUP, and
// tells systemd how it is.
func Watch(ctx context.Context, o Options) error {
	d, configs, closeShared := o.daemon()
	defer closeShared()

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
		load := d.Load
		d.Load = func(ctx context.Context) ([]watch.Site, []watch.BadConfig, error) {
			sites, wrong, err := load(ctx)
			if err := changes.Also(configs.beneath()); err != nil {
				o.Log.Warn("cannot watch a file of defaults for changes; SIGHUP reloads it", "error", err)
			}
			return sites, wrong, err
		}
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
				configs.reread()
				d.Reload()
			}
		}
	}()

	return d.Run(ctx)
}

// Once looks at each site once, repairs it, and notifies. It serves no status page.
func Once(ctx context.Context, o Options) ([]watch.Snapshot, error) {
	o.Listen = ""
	d, _, closeShared := o.daemon()
	defer closeShared()

	closeRecords, err := startHistory(ctx, d, o)
	if err != nil {
		return nil, err
	}

	defer closeRecords()

	return d.Once(ctx)
}
