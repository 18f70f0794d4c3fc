package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/receive"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done
	exitDiffer = 2 // it was done, and the answer is no: a difference, a failed check

	exitStopped = 130 // by Ctrl-C or SIGTERM, as shells say it
)

// Groups of commands in the help.
const (
	groupStart   = "start"
	groupPublish = "publish"
	groupServe   = "serve"
	groupAbout   = "about"
)

var (
	// errDifference is the error of a command that ran well and found a difference. What there is to
	// say has been printed already.
	errDifference = errors.New("something differs")

	// errReported is the error of a command that failed and has said why.
	errReported = errors.New("failed, as reported")
)

// app is one run of mailpub: its flags, and where it prints.
type app struct {
	ui      *term.UI
	noColor bool
	verbose verbosity
	system  bool // the package's config and secrets

	stopWaits   func()                                           // ends the line of what is waited for; may be nil
	style       *term.Style                                      // of the output, whatever the stream is; nil for what fits it
	withSignals func(context.Context) context.Context            // makes the context of commands that take their time; may be nil
	learning    func(context.Context, mdaemon.Instruction) error // has a person do something in MDaemon; nil asks on the terminal
	http        *http.Client                                     // carries the calls of DNS providers; nil for one of their own
}

func newApp(in io.Reader, out, err io.Writer) *app {
	return &app{ui: &term.UI{In: in, Out: out, Err: err}}
}

// config loads the config file.
func (a *app) config() (*config.Config, error) { return config.Load(a.ui.ConfigFile) }

// site returns what sites are opened with.
func (a *app) site() site.Options {
	return site.Options{
		Logger:        a.logger(),
		HTTPClient:    a.http,
		Event:         a.ui.Events(),
		StartReceiver: receive.Temporary(a.receive()),
	}
}

// receive returns what the bundled receiver is run with.
func (a *app) receive() receive.Options {
	return receive.Options{
		Version:   version().Version,
		Site:      site.Options{Logger: a.logger(), HTTPClient: a.http},
		Logger:    a.logger(),
		Notices:   a.notices(),
		Delivered: a.ui.ShowMessage,
		Notice:    a.ui.Notice,
	}
}

// logger logs to standard error with -v, and otherwise nowhere.
func (a *app) logger() *slog.Logger {
	if a.verbose == 0 {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.ui.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// notices logs what an administrator should know to standard error, and every step with -v.
func (a *app) notices() *slog.Logger {
	if a.verbose > 0 {
		return a.logger()
	}
	return slog.New(slog.NewTextHandler(a.ui.Err, nil))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// onLockedSite opens the site of the config under its lock, for what writes. The lock is given back
// when f returns.
func (a *app) onLockedSite(ctx context.Context, f func(*site.Site) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}

	lock, err := site.NewLock(ctx, cfg, a.site())
	if err != nil {
		return err
	}

	defer lock.Close()

	s, err := lock.Open(ctx)
	if err != nil {
		return err
	}

	return f(s)
}
