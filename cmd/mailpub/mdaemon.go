package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/dialect"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

func mdaemonCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mdaemon",
		Short: "Show which channels and settings of MDaemon are known",
		Long: `Shows what mailpub can do with the MDaemon of the config: its version, whether its App
folder can be read and its XML API answers, how many operations the vendor's own help
files name, and which settings were learnt. It writes nothing.

Exit code: 0; 1 when the XML API of the config does not answer, or the folder can't be read.`,
		Example: `  mailpub mdaemon
  mailpub mdaemon learn relaying`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := site.OpenFile(cmd.Context(), a.ui.ConfigFile, a.site())
			if err != nil {
				return err
			}
			status, ok := s.MDaemon(cmd.Context())
			if !ok {
				return errors.New("service.type is not mdaemon")
			}
			if a.ui.JSON {
				err = a.ui.PrintJSON(status)
			} else {
				term.ShowMDaemon(a.ui, status)
			}
			if err == nil && !status.Reached() {
				err = errReported
			}
			return err
		},
	}
	cmd.AddCommand(learnCommand(a))
	return cmd
}

func learnCommand(a *app) *cobra.Command {
	var app, file, version string
	cmd := &cobra.Command{
		Use:   "learn SETTING",
		Short: "Learn where this MDaemon keeps a setting",
		Long: `Where MDaemon keeps most of its settings is not published. This finds it out on a real
one: mailpub reads the .ini and .dat files of the App folder, asks you to change exactly
one box in the dialog, back and forth, and compares. The list of accounts is not read,
and nothing is written but the dialect file, which holds no secrets and can be handed to
others with the same version.

With the file in service.settings.dialect the setting is planned and applied like the
rest: read back, proved by SMTP, and taken back where it has no effect.

Settings:
` + settingsHelp(),
		Example: `  mailpub mdaemon learn relaying
  mailpub mdaemon learn hostname --app 'C:\MDaemon\App'`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: dialect.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, ok := mdaemon.LookupSetting(args[0])
			if !ok {
				return fmt.Errorf("%q is no setting, want one of %s", args[0], strings.Join(dialect.Names(), ", "))
			}
			t := target{app: app, file: file, version: version}
			if err := t.complete(cmd, a); err != nil {
				return err
			}
			l := mdaemon.Learner{App: &mdaemon.App{Dir: t.app}, Ask: a.learning}
			if l.Ask == nil {
				l.Ask = term.AskMDaemon(a.ui)
			}
			found, err := l.Learn(cmd.Context(), s)
			if err != nil {
				return err
			}
			if err := t.keep(s.Name, found); err != nil {
				return err
			}
			term.ShowLearnt(a.ui, s, found, t.file)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&app, "app", "", "App `FOLDER`; by default that of the config")
	f.StringVar(&file, "dialect", "", "`FILE` to keep it in; by default that of the config, or mdaemon-VERSION.yaml")
	f.StringVar(&version, "version", "", "`VERSION` of MDaemon, where it can't be found out")
	return cmd
}

func settingsHelp() string {
	var b strings.Builder
	for _, s := range mdaemon.Settings() {
		fmt.Fprintf(&b, "  %-17s %s\n", s.Name, s.Box)
	}
	return strings.TrimRight(b.String(), "\n")
}

// target is where is learnt, and where that is kept.
type target struct {
	app, file, version string

	dialect *mdaemon.Dialect
}

// complete takes from the config what no flag gives.
func (t *target) complete(cmd *cobra.Command, a *app) error {
	if t.app == "" || t.file == "" {
		cfg, err := a.config()
		if err != nil && t.app == "" {
			return fmt.Errorf("%w; or give --app", err)
		}
		if err == nil {
			t.fromConfig(cfg.Path, cfg.Service.Settings)
		}
	}
	if t.app == "" {
		return errors.New("service.settings.app is not given, want MDaemon's App folder there or as --app")
	}
	if t.version == "" {
		d := mdaemon.New("", "")
		d.App = &mdaemon.App{Dir: t.app}
		t.version = d.Version(cmd.Context())
	}
	if t.version == "" {
		return errors.New("which version MDaemon is can't be read from its logs: give --version, as Help > About says it")
	}
	if t.file == "" {
		t.file = dialect.NameFor(t.version)
	}
	return t.load()
}

func (t *target) fromConfig(path func(string) string, settings map[string]string) {
	if t.app == "" && settings["app"] != "" {
		t.app = path(settings["app"])
	}
	if t.file == "" && settings["dialect"] != "" {
		t.file = path(settings["dialect"])
	}
}

// load reads what was learnt before; of another version nothing is mixed in.
func (t *target) load() error {
	t.dialect = &mdaemon.Dialect{Version: t.version, Settings: map[string]mdaemon.Placement{}}
	if !isFile(t.file) {
		return nil
	}
	before, err := dialect.Load(t.file)
	if err != nil {
		return err
	}
	if dialect.NameFor(before.Version) != dialect.NameFor(t.version) {
		return fmt.Errorf("%s was learnt on MDaemon %s, and this is %s: give another --dialect", filepath.Base(t.file), before.Version, t.version)
	}
	t.dialect.Settings = before.Settings
	return nil
}

func (t *target) keep(name string, p mdaemon.Placement) error {
	t.dialect.Settings[name] = p
	return dialect.Save(t.file, t.dialect)
}
