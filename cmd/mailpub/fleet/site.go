package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/notify"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/ledger"
	"github.com/mailpub/mailpub/plan/mail"
)

// newSite is a site of a config file as watch knows it. Its state is in files.
func newSite(ctx context.Context, cfg *config.Config, digest string, leads *ledger.Leads, o site.Options) (watch.Site, error) {
	channels, err := Channels(ctx, cfg)
	if err != nil {
		return watch.Site{}, err
	}

	dir := site.StateDir(cfg)
	home, err := filepath.Abs(dir)
	if err != nil {
		return watch.Site{}, err
	}

	if err := site.CheckMoved(dir, cfg.Site); err != nil {
		return watch.Site{}, err
	}

	monitor := site.NewMonitor(cfg, o)
	monitor.KeepMessages(digest)
	s := NewSite(cfg, digest, monitor)
	s.Home = filepath.Join(home, cfg.Site)
	s.Channels = channels
	s.Memory = WatchState{site.StateFiles{Dir: dir, Site: cfg.Site}}
	s.Lead = func(ctx context.Context, waiting func(string)) (func(), error) {
		return leads.Lead(ctx, home, cfg.Site, waiting)
	}
	s.Busy = func() bool {
		return ledger.Files{
			Dir:  dir,
			Site: cfg.Site,
		}.Locked(context.Background())
	}

	return s, nil
}

// NewSite is a site as watch knows it, without what depends on where its state is kept: home, channels,
// memory, lead and busy.
func NewSite(cfg *config.Config, digest string, monitor *site.Monitor) watch.Site {
	spec := cfg.PlanSite()
	w := cfg.Watch
	listen := monitor.Listen
	if cfg.Router.RouterKind() != mail.RouterProtocol { // it announces nothing
		listen = nil
	}

	return watch.Site{
		Name:     cfg.Site,
		File:     cfg.File,
		Digest:   digest,
		Host:     strings.TrimSuffix(spec.Host, "."),
		Language: cfg.Addressed(),
		LAN:      spec.Address,
		Schedule: watch.Schedule{Every: w.Every, Jitter: w.Jitter, Cron: w.Times()},
		Policy: watch.Policy{
			Repair:         w.Repair,
			ChangesPerHour: w.AddressChanges,
			Confirm:        w.AddressConfirm,
		},
		Look:   monitor.Observe,
		Repair: monitor.Repair,
		Listen: listen,
	}
}

// WatchState is what watch remembers, in a site's state. It implements watch.StateStore.
type WatchState struct{ State site.State }

// Load implements watch.StateStore.
func (w WatchState) Load() ([]byte, error) { return w.State.Read(site.StateWatch) }

// Save implements watch.StateStore.
func (w WatchState) Save(data []byte) error { return w.State.Write(site.StateWatch, data) }

// Channels are the channels of a site's notices. Secrets are resolved here.
func Channels(ctx context.Context, cfg *config.Config) (all []watch.Channel, err error) {
	for i, n := range cfg.Watch.Notify {
		secret, err := cfg.NotifySecret(ctx, i)
		if err != nil {
			return nil, err
		}

		switch {
		case n.Webhook != "":
			all = append(all, notify.Webhook(n.Webhook, secret))
		case n.URL != "":
			c, err := notify.Service(ctx, secret)
			if err != nil {
				at := fmt.Sprintf("watch.notify[%d].url", i)
				return nil, config.Errors{{File: cfg.File, Line: cfg.Lines.At(at), Field: at, Text: err.Error()}}
			}
			all = append(all, c)
		default:
			command := slices.Clone(n.Exec)
			if strings.ContainsRune(command[0], filepath.Separator) {
				if command[0], err = filepath.Abs(cfg.Path(command[0])); err != nil {
					return nil, err
				}
			}
			all = append(all, notify.Exec(filepath.Dir(cfg.File), command...))
		}
	}

	return all, nil
}
