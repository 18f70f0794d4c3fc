// Package service makes mailpub a service of the system: of systemd, of Windows, or of launchd on
// macOS.
//
// What a unit of systemd says is in unit. What the service does, watch, it does not know.
package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
	"github.com/mailpub/mailpub/plan/durable"
)

// Options say which service is meant, and how it is installed.
type Options struct {
	Name  string
	User  string // whom it runs as; "" for root
	Print bool   // show what would be installed, and do nothing
	Timer bool   // under systemd: a timer that runs drift, instead of watch

	Receive bool // under systemd: the bundled receiver of one config, beside watch
}

// UnitOptions finds out what a service for some configs, files and directories, needs.
func UnitOptions(f Options, paths []string) (o unit.Options, err error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`).MatchString(f.Name) {
		return o, fmt.Errorf("--name is %q, want small letters, digits and hyphens, like mailpub", f.Name)
	}

	_, missing := os.Stat(config.SystemCredentials)
	o = unit.Options{Name: f.Name, User: f.User, Credentials: missing == nil}
	if o.Program, err = os.Executable(); err != nil {
		return o, err
	}

	files, err := fleet.Files(paths)
	if err != nil {
		return o, err
	}
	if len(files) == 0 {
		return o, fleet.ErrNoSites
	}
	if f.Receive && len(files) > 1 {
		return o, fmt.Errorf("--receive takes one config, not %d: each site's receiver is a separate service (--name)",
			len(files))
	}

	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return o, err
		}

		o.Configs = append(o.Configs, abs)
		if info, err := os.Stat(p); err == nil && info.IsDir() { // sites that come later keep their state here too
			if f.Receive {
				return o, fmt.Errorf("--receive takes a config file, not the directory %s", p)
			}
			o.Writable = append(o.Writable, abs)
		}
	}

	for _, file := range files {
		cfg, err := config.Load(file)
		if err != nil {
			return o, err
		}

		if !f.Print { // a unit can write only to what is there
			if err := durable.MakePrivate(site.StateDir(cfg)); err != nil {
				return o, fmt.Errorf("state directory: %w", err)
			}
		}

		o.MailServer = o.MailServer || repairsPostfix(cfg)
		if f.Receive && cfg.Service.Type != "receiver" {
			return o, fmt.Errorf("--receive: service.type is %q in %s, want receiver",
				cfg.Service.Type, file)
		}

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
	more := []string{site.StateDir(cfg)}
	if cfg.Service.Maildir != "" { // it takes its own test message away again
		more = append(more, cfg.Path(cfg.Service.Maildir))
	}

	if repairsPostfix(cfg) { // not the hosts file: its names are not repaired
		s := cfg.Service.Settings
		more = append(more, s["config_directory"],
			filepath.Join(filepath.Dir(s["dovecot"]), "conf.d"))
	}

	for _, dir := range more {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}

		if !slices.ContainsFunc(dirs, func(d string) bool {
			rel, err := filepath.Rel(d, abs)
			return err == nil && filepath.IsLocal(rel)
		}) {
			dirs = append(dirs, abs)
		}
	}

	return dirs, nil
}

// repairsPostfix reports whether watch puts back settings of Postfix and of its Dovecot.
func repairsPostfix(cfg *config.Config) bool {
	return cfg.Service.Type == "postfix" && slices.Contains(cfg.Watch.Repair, "service")
}

// printUnits shows what would be installed where.
func printUnits(u *term.UI, dir string, files []unit.File) {
	for i, f := range files {
		if i > 0 {
			fmt.Fprintln(u.Out)
		}
		fmt.Fprintf(u.Out, "# %s\n%s", filepath.Join(dir, f.Name), f.Text)
	}
}

// errNoService means that there is none of the name.
var errNoService = errors.New("the service is not installed")

// printStarted says that a service runs, and how to see what it does.
func printStarted(u *term.UI, name, hint string) {
	fmt.Fprintf(u.Out, "%s %s is installed and runs. %s\n", u.Green("Done:"), name, hint)
}
