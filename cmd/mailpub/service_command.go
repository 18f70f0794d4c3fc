package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
	"github.com/mailpub/mailpub/plan/durable"
)

// serviceFlags is what the command line says of service.
type serviceFlags struct {
	name, user   string
	print, timer bool
}

func (a *app) serviceCommand() *cobra.Command {
	var f serviceFlags
	cmd := &cobra.Command{
		Use:   "service",
		Short: "let the system keep mailpub watch running",
		Long: `Makes "mailpub watch" a service of the system: of systemd, with a hardened unit of
Type=notify and a watchdog; of Windows; or of launchd on macOS. With --timer it is, under
systemd, "mailpub drift" every 15 minutes instead, which fails when something is wrong.

Secrets that the config names as env:NAME stand in /etc/mailpub/environment under systemd. On
Windows a service sees no variable of yours: let the config name a file, as file:PATH.`,
		Example: `  mailpub service install --print                what it would install
  mailpub service install /etc/mailpub/sites
  mailpub service status
  mailpub service remove`,
	}
	cmd.PersistentFlags().StringVar(&f.name, "name", "mailpub", "`NAME` of the service, where there are several")
	install := &cobra.Command{
		Use:     "install [FILE|DIR]...",
		Short:   "install and start it",
		Long:    "Installs and starts the service for the config, or for FILEs and DIRs as \"mailpub watch\" takes them.",
		Example: "  mailpub service install --print\n  mailpub service install /etc/mailpub/sites",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.unitOptions(f, args)
			if err != nil {
				return err
			}
			return a.installService(cmd.Context(), o, f)
		},
	}
	fl := install.Flags()
	fl.BoolVar(&f.print, "print", false, "print what would be installed, and do nothing")
	fl.BoolVar(&f.print, "dry-run", false, "the same as --print")
	fl.BoolVar(&f.timer, "timer", false, "under systemd: a timer that runs drift, instead of watch")
	fl.StringVar(&f.user, "user", "", "run it as `USER`, who has to be able to write the state directory; by default root")
	cmd.AddCommand(install, &cobra.Command{
		Use: "remove", Short: "stop and remove it", Args: cobra.NoArgs,
		Long:    "Stops and removes the service. Configs, ledgers and whatever mailpub put in place stay.",
		Example: "  mailpub service remove",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.removeService(cmd.Context(), f) },
	}, &cobra.Command{
		Use: "status", Short: "say whether it runs", Args: cobra.NoArgs,
		Long:    "Says whether the service is installed and runs. Exit code: 0 when it runs, else 2.",
		Example: "  mailpub service status",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serviceStatus(cmd.Context(), f) },
	})
	return cmd
}

// unitOptions finds out what a service for some configs needs.
func (a *app) unitOptions(f serviceFlags, paths []string) (o unit.Options, err error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`).MatchString(f.name) {
		return o, fmt.Errorf("--name is %q, want small letters, digits and hyphens, like mailpub", f.name)
	}
	if len(paths) == 0 {
		paths = []string{a.configFile}
	}
	o = unit.Options{Name: f.name, User: f.user}
	if o.Program, err = os.Executable(); err != nil {
		return o, err
	}
	files, err := siteFiles(paths)
	if err != nil {
		return o, err
	}
	if len(files) == 0 {
		return o, errNoSites
	}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return o, err
		}
		o.Configs = append(o.Configs, abs)
		if info, err := os.Stat(p); err == nil && info.IsDir() { // sites that come later keep their state here too
			o.Writable = append(o.Writable, abs)
		}
	}
	for _, file := range files {
		cfg, err := config.Load(file)
		if err != nil {
			return o, err
		}
		if !f.print { // a unit can write only to what is there
			if err := durable.MakePrivate(stateDir(cfg)); err != nil {
				return o, fmt.Errorf("state directory: %w", err)
			}
		}
		o.MailServer = o.MailServer || mendsPostfix(cfg)
		o.NetAdmin = o.NetAdmin || cfg.Router.Protocol == "nftables"
		if o.Writable, err = addWritable(o.Writable, cfg); err != nil {
			return o, err
		}
	}
	return o, nil
}

// addWritable adds the directories that a site's watch writes to, where they are not in one that is
// there already.
func addWritable(dirs []string, cfg *config.Config) ([]string, error) {
	more := []string{stateDir(cfg)}
	if cfg.Service.Maildir != "" { // it takes its own test message away again
		more = append(more, cfg.Path(cfg.Service.Maildir))
	}
	if mendsPostfix(cfg) { // not the hosts file: a name in it is somebody else's work, and left
		s := cfg.Service.Settings
		more = append(more, s["config_directory"], filepath.Join(filepath.Dir(s["dovecot"]), "conf.d"))
	}
	for _, dir := range more {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(dirs, func(d string) bool { rel, err := filepath.Rel(d, abs); return err == nil && filepath.IsLocal(rel) }) {
			dirs = append(dirs, abs)
		}
	}
	return dirs, nil
}

// mendsPostfix reports whether watch puts back settings of Postfix and of its Dovecot.
func mendsPostfix(cfg *config.Config) bool {
	return cfg.Service.Type == "postfix" && slices.Contains(cfg.Watch.Repair, "service")
}

// printUnits shows what would be installed where.
func (a *app) printUnits(dir string, files []unit.File) {
	for i, f := range files {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "# %s\n%s", filepath.Join(dir, f.Name), f.Text)
	}
}

// errNoSites means that directories hold no config.
var errNoSites = errors.New("there is no *.yaml in it")

// errNoService means that there is none of the name.
var errNoService = errors.New("no such service is installed")

// started says that a service runs, and how to see what it does.
func (a *app) started(name, look string) {
	fmt.Fprintf(a.out, "%s %s is installed and runs. %s\n", a.look.green("Done:"), name, look)
}
