package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/dialect"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

// Learning finds out where an MDaemon keeps a setting, and keeps that in a file. What is empty is taken from the
// config, or found out.
type Learning struct {
	UI      *term.UI
	App     string // its App folder
	File    string // the dialect
	Version string // of MDaemon

	Ask func(context.Context, mdaemon.Instruction) error // has a person do something; nil asks on the terminal
}

// Learn learns one setting.
func (l Learning) Learn(ctx context.Context, name string) error {
	s, ok := mdaemon.LookupSetting(name)
	if !ok {
		return fmt.Errorf("%q is no setting, want one of %s", name,
			strings.Join(dialect.Names(), ", "))
	}
	if err := l.complete(ctx); err != nil {
		return err
	}

	known, err := l.savedDialect()
	if err != nil {
		return err
	}

	if l.Ask == nil {
		l.Ask = term.AskMDaemon(l.UI)
	}

	found, err := (&mdaemon.Learner{App: &mdaemon.App{Dir: l.App}, Ask: l.Ask}).Learn(ctx, s)
	if err != nil {
		return err
	}

	known.Settings[s.Name] = found
	if err := dialect.Save(l.File, known); err != nil {
		return err
	}

	term.ShowLearnt(l.UI, s, found, l.File)
	return nil
}

// complete finds what was not given.
func (l *Learning) complete(ctx context.Context) error {
	if l.App == "" || l.File == "" {
		cfg, err := config.Load(l.UI.ConfigFile)
		if err != nil && l.App == "" {
			return fmt.Errorf("%w; or give --app", err)
		}
		if err == nil {
			l.fromConfig(cfg)
		}
	}

	if l.App == "" {
		return errors.New("service.settings.app is not given, want MDaemon's App folder there or as --app")
	}

	if l.Version == "" {
		d := mdaemon.New("", "")
		d.App = &mdaemon.App{Dir: l.App}
		l.Version = d.Version(ctx)
	}

	if l.Version == "" {
		return errors.New("which version MDaemon is can't be read from its logs: give --version, as Help > About says it")
	}

	if l.File == "" {
		l.File = dialect.NameFor(l.Version)
	}

	return nil
}

func (l *Learning) fromConfig(cfg *config.Config) {
	settings := cfg.Service.Settings
	if l.App == "" && settings["app"] != "" {
		l.App = cfg.Path(settings["app"])
	}
	if l.File == "" && settings["dialect"] != "" {
		l.File = cfg.Path(settings["dialect"])
	}
}

// savedDialect is what was learnt before; of another version nothing is mixed in.
func (l *Learning) savedDialect() (*mdaemon.Dialect, error) {
	d, err := dialect.Load(l.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &mdaemon.Dialect{
			Version:  l.Version,
			Settings: map[string]mdaemon.Placement{},
		}, nil
	case err != nil:
		return nil, err
	case dialect.NameFor(d.Version) != dialect.NameFor(l.Version):
		return nil, fmt.Errorf("%s was learnt on MDaemon %s, and this is %s: give another --dialect",
			filepath.Base(l.File), d.Version, l.Version)
	}

	d.Version = l.Version
	return d, nil
}
