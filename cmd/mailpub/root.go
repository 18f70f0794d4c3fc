package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done
	exitDiffer = 2 // it was done, and the answer is no: a difference, a failed check
)

// differs is the error of a command that ran well and found a difference. What there is to
// say has been printed already.
type differs struct{}

func (differs) Error() string { return "something differs" }

// stdio is where a command reads and prints.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// app is one run of mailpub: its flags and where it prints.
type app struct {
	stdio
	configFile string
	json       bool
	noColor    bool
	manySites  bool // of which drift looks at: each line says of which it is
	verbose    bool
	look       look
	log        *slog.Logger // nil: standard error, with -v
	dress      *look        // how to look whatever the stream is; nil for what fits the stream

	// stoppable, where set, makes the context of commands that take their time.
	stoppable func(context.Context) context.Context
	http      *http.Client  // carries the calls of DNS providers; nil for one of their own
	typed     *bufio.Reader // of in, once somebody has been asked
	stopped   func() error  // not nil once somebody has stopped the command
}

// execute runs one command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, differs{}) {
		return exitDiffer
	}
	a.complain(wrongCommand(root, err))
	return exitFailed
}

// Groups of commands in the help.
const (
	groupStart   = "start"
	groupPublish = "publish"
	groupServe   = "serve"
	groupAbout   = "about"
)

const rootHelp = `mailpub makes a mail server behind a router reachable from the Internet.

One file says how it should be: the mail host, its domains, the DNS zones, the
router's forwards, the mail service. "mailpub plan" shows what differs, "mailpub
apply" brings it about in a safe order, "mailpub verify" proves that mail arrives,
and "mailpub watch" keeps it so, and tells somebody when it no longer does.

mailpub changes only what it put in place itself, and keeps account of that in a
ledger beside the config. What was there before is never overwritten or removed
without your consent, and is put back by "mailpub destroy".`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mailpub",
		Short: "make a mail server behind a router reachable, and keep it so",
		Long:  rootHelp,
		Example: `  mailpub demo              see it all happen on this machine, without an account
  mailpub init              look at what is there, and write ./mailpub.yaml
  mailpub plan              what would change, with ./mailpub.yaml
  mailpub apply             bring it about
  mailpub verify            prove it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.look = lookOf(a.out, a.noColor)
			if a.dress != nil {
				a.look = *a.dress
			}
			if a.stoppable != nil && cmd.GroupID != groupAbout {
				cmd.SetContext(a.stoppable(cmd.Context()))
			}
			a.stopped = cmd.Context().Err
			return nil
		},
	}
	root.SetFlagErrorFunc(wrongFlag)
	f := root.PersistentFlags()
	f.StringVarP(&a.configFile, "config", "c", "mailpub.yaml", "config `FILE` (.yaml, .toml or .json)")
	if err := root.MarkPersistentFlagFilename("config", "yaml", "yml", "toml", "json"); err != nil {
		panic(err) // the flag is defined above
	}
	f.BoolVar(&a.json, "json", false, "print JSON on standard output, and nothing else there")
	f.BoolVar(&a.noColor, "no-color", false, "print without colour (so does the variable NO_COLOR)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log every step on standard error")
	root.SetCompletionCommandGroupID(groupAbout)
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "Begin:"},
		&cobra.Group{ID: groupPublish, Title: "Publish:"},
		&cobra.Group{ID: groupServe, Title: "Look and serve:"},
		&cobra.Group{ID: groupAbout, Title: "About:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupStart, a.initCommand(), a.importCommand(), a.demoCommand())
	add(groupPublish, a.planCommand(), a.applyCommand(), a.verifyCommand(), a.driftCommand(), a.destroyCommand(), a.requestCommand())
	add(groupServe, a.watchCommand(), a.serviceCommand(), a.reportCommand(), a.routerCommand(), a.dkimCommand(), a.receiveCommand(), a.probeCommand())
	add(groupAbout, a.explainCommand(), a.providersCommand(), a.schemaCommand(), a.versionCommand())
	root.AddCommand(configTopic(), a.manCommand(), a.unitsCommand())
	helpful(root)
	return root
}

// config loads the config file.
func (a *app) config() (*config.Config, error) { return config.Load(a.configFile) }

// logger logs to standard error with -v, and otherwise nowhere.
func (a *app) logger() *slog.Logger {
	if a.log != nil && a.verbose {
		return a.log
	}
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// notices logs what an administrator should know to standard error, and every step with -v.
func (a *app) notices() *slog.Logger {
	if a.verbose {
		return a.logger()
	}
	return slog.New(slog.NewTextHandler(a.err, nil))
}

// complain prints an error, and one line of what to do next where that is known.
func (a *app) complain(err error) {
	var problems config.Errors
	if errors.As(err, &problems) {
		fmt.Fprintln(a.err, clean(problems.Error()))
		fmt.Fprintf(a.err, "mailpub: %s in %s; nothing was done\n", count(len(problems), "mistake"), a.configFile)
		if key := explicable(problems); key != "" {
			fmt.Fprintf(a.err, "  next: mailpub explain %s\n", key)
		}
		return
	}
	fmt.Fprintf(a.err, "mailpub: %s\n", clean(err.Error()))
	if next := a.nextStep(err); next != "" {
		fmt.Fprintf(a.err, "  next: %s\n", next)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return name
}
