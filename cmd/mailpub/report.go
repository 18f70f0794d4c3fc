package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/durable"
)

func (a *app) reportCommand() *cobra.Command {
	var file string
	var svg bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "draw how a site is, as one file for a ticket or a customer",
		Long: `Plans and verifies, and writes what it finds as one HTML file: the way of the mail as a
picture, green or red where it breaks, what is wrong and what to do. It needs nothing
else, and looks right on paper, on a phone, in dark and light. Where "mailpub watch" runs,
the last 30 days are in it.

With --svg it writes the picture alone, with --json what a status page serves at
/api/report. Nothing is changed anywhere.

Exit code: 0 when it is written, whatever it says; else 1.`,
		Example: `  mailpub report -o office.html
  mailpub report --svg -o path.svg
  mailpub report --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" && !a.json && a.look.terminal {
				return errors.New("a report is for a browser: name a file with -o, like -o report.html")
			}
			site, err := a.portrait(cmd.Context())
			if err != nil {
				return err
			}
			var b bytes.Buffer
			switch {
			case a.json:
				var text []byte
				text, err = page.Status([]page.Site{site})
				b.Write(append(text, '\n'))
			case svg:
				err = page.WriteSVG(&b, site)
			default:
				err = page.Write(&b, site, time.Now(), version().Version)
			}
			if err != nil {
				return err
			}
			if file == "" {
				_, err = a.out.Write(b.Bytes())
				return err
			}
			if err := durable.ReplaceShared(file, b.Bytes(), 0o644); err != nil {
				return fmt.Errorf("report: %w", err)
			}
			fmt.Fprintf(a.err, "%s\nWritten to %s.\n", clean(site.Headline()), file)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write to `FILE`; default: standard output")
	cmd.Flags().BoolVar(&svg, "svg", false, "write the picture alone, as SVG")
	return cmd
}

// portrait looks at the site once, and at its past.
func (a *app) portrait(ctx context.Context) (page.Site, error) {
	cfg, err := a.config()
	if err != nil {
		return page.Site{}, err
	}
	start := time.Now()
	w := &watched{a: a, cfg: cfg, router: make(chan heard, 1)}
	found := w.look(ctx)
	if err := ctx.Err(); err != nil {
		return page.Site{}, err
	}
	wanted := cfg.PlanSite()
	site := page.Site{Snapshot: watch.Snapshot{
		Site: cfg.Site, File: cfg.File, Host: strings.TrimSuffix(wanted.Host, "."), LAN: wanted.Address, Public: found.Public,
		At: start, Took: time.Since(start), Report: found.Report, Err: found.Err, Leases: found.Leases,
	}}
	path := historyPath(stateDir(cfg))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return site, nil
	}
	store, err := history.Open(ctx, path)
	if err != nil {
		return page.Site{}, err
	}
	defer store.Close()
	site.Days, site.Events, err = past(ctx, store, cfg.Site, start)
	return site, err
}
