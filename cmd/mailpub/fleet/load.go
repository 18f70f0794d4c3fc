package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/notify"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/ledger"
)

// load reads the config files of sites.
func load(ctx context.Context, paths []string, o site.Options) (sites []watch.Site, wrong []watch.BadConfig, err error) {
	files, err := Files(paths)
	if err != nil {
		return nil, nil, err
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		var cfg *config.Config
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			cfg, err = config.Load(file)
		}

		var one watch.Site
		if err == nil {
			sum := sha256.Sum256(data)
			one, err = newSite(ctx, cfg, hex.EncodeToString(sum[:]), o)
		}

		if err != nil {
			wrong = append(wrong, watch.BadConfig{File: file, Err: err})
			continue
		}

		sites = append(sites, one)
	}

	return sites, wrong, nil
}

// newSite is a site as watch knows it.
func newSite(ctx context.Context, cfg *config.Config, digest string, o site.Options) (watch.Site, error) {
	channels, err := newChannels(ctx, cfg)
	if err != nil {
		return watch.Site{}, err
	}

	dir := site.StateDir(cfg)
	home, err := filepath.Abs(dir)
	if err != nil {
		return watch.Site{}, err
	}

	monitor := site.NewMonitor(cfg, o)
	monitor.KeepMessages(digest)
	spec := cfg.PlanSite()
	w := cfg.Watch

	return watch.Site{
		Name:     cfg.Site,
		File:     cfg.File,
		Home:     filepath.Join(home, cfg.Site),
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
		Channels: channels,
		Look:     monitor.Observe,
		Repair:   monitor.Repair,
		Listen:   monitor.Listen,
		Lead: func(ctx context.Context, waiting func(string)) (func(), error) {
			return ledger.Lead(ctx, dir, cfg.Site, waiting)
		},
		Busy: func() bool {
			return ledger.Files{
				Dir:  dir,
				Site: cfg.Site,
			}.Locked(context.Background())
		},
		Memory: stateFile(filepath.Join(dir, cfg.Site+".watch.json")),
	}, nil
}

// newChannels are the channels of notices. Secrets are resolved here.
func newChannels(ctx context.Context, cfg *config.Config) (all []watch.Channel, err error) {
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

// stateFile is the file in which watch keeps what must outlast the process.
type stateFile string

func (m stateFile) Load() ([]byte, error) {
	data, err := durable.Read(string(m))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (m stateFile) Save(data []byte) error {
	return durable.Replace(string(m),
		append(data, '\n'))
}
