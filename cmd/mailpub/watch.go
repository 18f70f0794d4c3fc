package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/service"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// watchFlags is what the command line says of watch.
type watchFlags struct {
	once, test bool
	now        bool // messages are sent at once
	atOnce     int  // how many sites are checked at once
	log        string
	listen     string   // where the status page is
	token      string   // a reference to what the page asks for
	insecure   bool     // it may be served to others without one
	names      []string // by which it may be called, beside addresses
	service    string   // that the system started it as
	files      []string // and directories
}

func watchCommand(a *app) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [FILE|DIR]...",
		Short: "Monitor continuously, repair, and notify",
		Long: `Monitors sites: it checks each one as "drift" does, every 15 minutes or as its config says,
and at once when the router announces a restart. It renews leases before they end and
restores its own forwards; with "address" in watch.repair it updates DNS when the public
address changes. Everything else it reports. It never takes over existing records or
forwards.

The channels in watch.notify get one notice when something breaks, and one when it works
again. Each *.yaml in a DIR is a site; new, removed and changed files are picked up
automatically, and a file with errors leaves its former version in use. SIGHUP reloads
all files.

Several daemons may run for one site: one is active, the others are on standby.

Exit code: 0 when stopped by a signal. With --once: 0 when all is well, 2 when something
differs or fails, 1 when the state of a site is unknown.`,
		Example: `  mailpub watch
  mailpub watch /etc/mailpub/sites
  mailpub watch --listen 127.0.0.1:8025
  mailpub watch --test-notice      send a test notice to every channel
  mailpub watch --once             for a timer: check, repair, notify and exit`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.files = args; len(args) == 0 {
				f.files = []string{a.ui.ConfigFile}
			}

			switch {
			case f.test:
				return testNotices(cmd.Context(), a, f)
			case f.once:
				return watchOnce(cmd.Context(), a, f)
			case f.service != "":
				return service.Run(cmd.Context(), a.ui, f.service,
					func(ctx context.Context) error {
						return watchSites(ctx, a, f)
					})
			}

			return watchSites(cmd.Context(), a, f)
		},
	}

	fl := cmd.Flags()
	fl.BoolVar(&f.once, "once", false, "check once and exit")
	fl.BoolVar(&f.now, "now", false, "send the test messages at once, even if today's were sent")
	fl.BoolVar(&f.test, "test-notice", false,
		"send a test notice to every channel of watch.notify, and exit")

	addAtOnce(cmd, &f.atOnce)
	fl.StringVar(&f.listen, "listen", "", "serve a read-only status page at `ADDRESS`, like 127.0.0.1:8025")
	fl.StringVar(&f.token, "listen-token", "",
		"ask for the token that `REFERENCE` names (env:NAME, file:PATH), as a bearer token or a password")

	fl.BoolVar(&f.insecure, "insecure", false,
		"serve the status page to other machines without a token")

	fl.StringSliceVar(&f.names, "listen-names", nil,
		"host `NAMES` allowed for the status page, in addition to addresses and localhost")

	fl.StringVar(&f.service, "service", "", "run as the service `NAME` that the system started")
	if err := fl.MarkHidden("service"); err != nil {
		panic(err) // it is defined above
	}

	fl.StringVar(&f.log, "log", "auto", "how to log on standard error: text, json, or to journald; auto: for people on a terminal, else text")
	return cmd
}

// fleetOptions are what sites are watched with. The log has what is at least of a level and, with
// -v, everything, what the packages below log too.
func (a *app) fleetOptions(f watchFlags, level slog.Level) (fleet.Options, error) {
	if a.verbose > 0 {
		level = slog.LevelDebug
	}

	log, err := a.watchLog(f, level)
	if err != nil {
		return fleet.Options{}, err
	}

	o := fleet.Options{
		Paths:       f.files,
		AtOnce:      f.atOnce,
		Site:        a.site(),
		Log:         log,
		Listen:      f.listen,
		ListenNames: f.names,
		Insecure:    f.insecure,
		Version:     version().Version,
	}

	o.Site.MessagesNow = f.now
	if a.verbose > 0 {
		o.Site.Logger = log
	}

	return o, nil
}

// watchLog is the log of watch: for people on a terminal, else in the form that --log names.
func (a *app) watchLog(f watchFlags, level slog.Level) (*slog.Logger, error) {
	if f.log == "auto" {
		if h := term.NewLogHandler(a.ui.Err, a.noColor, level); h != nil {
			return slog.New(h), nil
		}
		f.log = "text"
	}

	return fleet.NewLog(f.log, level, a.ui.Err)
}

// watchSites watches until ctx is done.
func watchSites(ctx context.Context, a *app, f watchFlags) error {
	o, err := a.fleetOptions(f, slog.LevelInfo)
	if err != nil {
		return err
	}

	if f.token != "" {
		if !config.IsReference(f.token) {
			return errors.New("--listen-token: want a reference like env:MAILPUB_PAGE_TOKEN or file:PATH, never the token itself")
		}
		if o.ListenToken, err = config.Resolve(ctx, f.token, "."); err != nil {
			return fmt.Errorf("--listen-token: %w", err)
		}
	}

	return fleet.Watch(ctx, o)
}

// watchOnce looks at each site once, and prints what is not as it should be.
func watchOnce(ctx context.Context, a *app, f watchFlags) error {
	o, err := a.fleetOptions(f, slog.LevelWarn) // nothing where nothing is the matter
	if err != nil {
		return err
	}

	seen, err := fleet.Once(ctx, o)
	if stopped := ctx.Err(); stopped != nil && err == nil {
		return stopped
	}

	var found error
	for _, s := range seen {
		if len(seen) > 1 && !a.ui.JSON {
			fmt.Fprintf(a.ui.Out, "%s\n", a.ui.Bold(s.Site))
		}

		err = errors.Join(err, s.Err)
		differs, failed := showDrift(a.ui, s.Report, false)
		if failed != nil {
			found = failed
		} else if differs {
			found = errDifference
		}
	}

	if err != nil {
		return err
	}

	return found
}

// testNotices sends a test notice to every channel.
func testNotices(ctx context.Context, a *app, f watchFlags) error {
	sent, failed := 0, 0
	err := fleet.TestNotices(ctx, f.files, a.site(), func(site, channel string, err error) {
		sent++
		if err != nil {
			failed++
			fmt.Fprintf(a.ui.Out, "%s %s: %s: %s\n", a.ui.Red("NO "), site,
				term.Clean(channel), term.Clean(err.Error()))
			return
		}

		fmt.Fprintf(a.ui.Out, "%s %s: %s took it\n", a.ui.Green("ok "), site,
			term.Clean(channel))
	})

	switch {
	case err != nil:
		return err
	case sent == 0:
		return errors.New("no notification channel: watch.notify is empty in " +
			strings.Join(f.files, ", "))
	case failed > 0:
		return fmt.Errorf("%d of %s did not take it", failed, term.Count(sent, "channel"))
	}

	return nil
}
