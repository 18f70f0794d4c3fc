package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// watchFlags is what the command line says of watch.
type watchFlags struct {
	once, test bool
	log        string
	listen     string   // where the status page is
	names      []string // by which it may be called, beside addresses
	service    string   // that the system started it as
	files      []string // and directories
}

func (a *app) watchCommand() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [FILE|DIR]...",
		Short: "keep it so: look again and again, mend, and tell somebody",
		Long: `Looks at each site as "drift" does, every 15 minutes or as its config says, and at once when
the router announces that it restarted. It renews leases before they end and puts its own
forwards back; with "address" in watch.repair DNS follows the public address. Everything
else it reports. It never takes over what mailpub did not put in place.

Whoever watch.notify names is told once when something breaks, and once when it is well
again. What a DIR holds as *.yaml is watched, each a site; files that come, go or change are
taken up by themselves, and a wrong one leaves the former in force. SIGHUP reads all anew.

Several may run for one site: one leads, the others stand by.

Exit code: 0 when stopped by a signal. With --once: 0 when all is well, 2 when
something differs or fails, 1 when it could not be found out.`,
		Example: `  mailpub watch
  mailpub watch /etc/mailpub/sites
  mailpub watch --listen 127.0.0.1:8025
  mailpub watch --test-notice      tell everybody once, to see that it arrives
  mailpub watch --once             for a timer: look, mend, tell, and end`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.files = args; len(args) == 0 {
				f.files = []string{a.configFile}
			}
			switch {
			case f.test:
				return a.testNotice(cmd.Context(), f)
			case f.once:
				return a.watchOnce(cmd.Context(), f)
			case f.service != "":
				return a.asService(cmd.Context(), f.service, func(ctx context.Context) error { return a.watch(ctx, f) })
			}
			return a.watch(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.once, "once", false, "look once, and end")
	fl.BoolVar(&f.test, "test-notice", false, "send a notice to everybody that watch.notify names, and end")
	fl.StringVar(&f.listen, "listen", "", "serve a status page at `ADDRESS`, like 127.0.0.1:8025; it only shows, to whoever reaches it")
	fl.StringSliceVar(&f.names, "listen-names", nil, "host `NAMES` by which browsers may ask for the status page, beside addresses and localhost")
	fl.StringVar(&f.service, "service", "", "run as the service `NAME` that the system started")
	if err := fl.MarkHidden("service"); err != nil {
		panic(err) // it is defined above
	}
	fl.StringVar(&f.log, "log", "text", "how to log on standard error: text, json, or to journald")
	return cmd
}

// daemon is what watches the sites of some files.
func (a *app) daemon(f watchFlags, log *slog.Logger) *watch.Daemon {
	return &watch.Daemon{
		Load:   func(ctx context.Context) ([]watch.Site, []watch.Wrong, error) { return a.loadSites(ctx, f.files) },
		Logger: log,
	}
}

// watch watches until ctx is done.
func (a *app) watch(ctx context.Context, f watchFlags) error {
	log, err := a.watchLog(f.log, slog.LevelInfo)
	if err != nil {
		return err
	}
	d := a.daemon(f, log)
	system := newSystem(log)
	d.State, d.Beat, d.Heartbeat = system.state, system.beat, system.heartbeat()
	closeChronicle, err := a.chronicle(ctx, d, f, log)
	if err != nil {
		return err
	}
	defer closeChronicle()
	changes, err := watchFiles(f.files, d.Changed)
	if err != nil {
		log.Warn("changes of files are not noticed by themselves; SIGHUP reads them", "error", err)
	} else {
		defer changes.Close()
	}
	hangups := make(chan os.Signal, 1)
	onHangup(hangups)
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

// watchOnce looks at each site once.
func (a *app) watchOnce(ctx context.Context, f watchFlags) error {
	log, err := a.watchLog(f.log, slog.LevelWarn) // silence where nothing is the matter
	if err != nil {
		return err
	}
	d := a.daemon(f, log)
	f.listen = "" // it is over before anybody could look
	closeChronicle, err := a.chronicle(ctx, d, f, log)
	if err != nil {
		return err
	}
	seen, err := d.Once(ctx)
	closeChronicle()
	var found error
	for _, s := range seen {
		if len(seen) > 1 && !a.json {
			fmt.Fprintf(a.out, "%s\n", a.look.bold(s.Site))
		}
		err = errors.Join(err, s.Err)
		if e := a.report(ctx, s.Report, true); e != nil {
			found = e
		}
	}
	if err != nil {
		return err
	}
	return found
}

// testNotice tells everybody something that is no matter.
func (a *app) testNotice(ctx context.Context, f watchFlags) error {
	sites, wrong, err := a.loadSites(ctx, f.files)
	for _, w := range wrong {
		err = errors.Join(err, w.Err)
	}
	if err != nil {
		return err
	}
	told, failed := 0, 0
	for _, s := range sites {
		for _, c := range s.Channels {
			told++
			if err := watch.Try(ctx, c, watch.TestNotice(s, time.Now())); err != nil {
				failed++
				fmt.Fprintf(a.out, "%s %s: %s: %s\n", a.look.red("NO "), s.Name, clean(c.Name), clean(err.Error()))
				continue
			}
			fmt.Fprintf(a.out, "%s %s: %s took it\n", a.look.green("ok "), s.Name, clean(c.Name))
		}
	}
	switch {
	case told == 0:
		return errors.New("nobody is to be told: watch.notify is empty in " + strings.Join(f.files, ", "))
	case failed > 0:
		return fmt.Errorf("%d of %s did not take it", failed, count(told, "channel"))
	}
	return nil
}

// siteFiles are the config files that some files and directories stand for.
func siteFiles(paths []string) (files []string, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			files = append(files, p) // config.Load says what to do
			continue
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, p)
			continue
		}
		found, err := filepath.Glob(filepath.Join(p, "*.yaml"))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// loadSites reads the config files.
func (a *app) loadSites(ctx context.Context, paths []string) (sites []watch.Site, wrong []watch.Wrong, err error) {
	files, err := siteFiles(paths)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		var cfg *config.Config
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			cfg, err = config.Load(file)
		}
		var site watch.Site
		if err == nil {
			sum := sha256.Sum256(data)
			site, err = a.watchSite(ctx, cfg, hex.EncodeToString(sum[:]))
		}
		if err != nil {
			wrong = append(wrong, watch.Wrong{File: file, Err: err})
			continue
		}
		sites = append(sites, site)
	}
	return sites, wrong, nil
}
