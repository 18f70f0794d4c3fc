package fleet

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Report looks at a site once, and at its history, as the status page shows them.
func Report(ctx context.Context, cfg *config.Config, o site.Options) (page.Site, error) {
	start := time.Now()
	found := site.NewMonitor(cfg, o).Observe(ctx)
	if err := ctx.Err(); err != nil {
		return page.Site{}, err
	}

	spec := cfg.PlanSite()
	out := page.Site{Snapshot: watch.Snapshot{
		Site:     cfg.Site,
		File:     cfg.File,
		Host:     strings.TrimSuffix(spec.Host, "."),
		Language: cfg.Addressed(),
		LAN:      spec.Address,
		Public:   found.Public,
		At:       start,
		Took:     time.Since(start),
		Report:   found.Report,
		Err:      found.Err,
		Leases:   found.Leases,
	}}

	path := HistoryDir(site.StateDir(cfg))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}

	store, err := history.Open(ctx, path)
	if err != nil {
		return page.Site{}, err
	}

	out.Days, out.Events, err = loadHistory(ctx, store, cfg.Site, start)
	return out, err
}
