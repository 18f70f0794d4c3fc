package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// runCommand runs one command line of its own, as the demo does.
func runCommand(ctx context.Context, out io.Writer, style term.Style, args []string) int {
	a := newApp(noInput{}, out, out)
	a.style = &style
	return a.execute(ctx, args)
}

// noInput is an empty standard input.
type noInput struct{}

func (noInput) Read([]byte) (int, error) { return 0, io.EOF }

// execute runs one command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := rootCommand(a)
	root.SetArgs(args)
	root.SetIn(a.ui.In)
	root.SetOut(a.ui.Out)
	root.SetErr(a.ui.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if a.stopWaits != nil {
		a.stopWaits()
	}

	switch {
	case err == nil:
		return exitOK
	case a.ui.Stopped != nil && a.ui.Stopped() != nil:
		a.fail(err, exitStopped)
		term.PrintInterrupted(a.ui, slices.Contains([]string{"apply", "destroy", "heal",
			"clean"}, cmd.Name()))
		return exitStopped
	case errors.Is(err, errDifference):
		return exitDiffer
	case errors.Is(err, errReported):
		return exitFailed
	}

	err = unknownCommand(root, args, err)
	term.PrintError(a.ui, err, documentedField)
	a.fail(err, exitFailed)

	return exitFailed
}

// fail prints an error for programs; that standard output is gone is no second error.
func (a *app) fail(err error, exit int) {
	_ = term.PrintFailure(a.ui, err, exit, documentedField)
}

const rootHelp = `mailpub makes a mail server behind a router reachable from the Internet.

One config file describes the desired state: the mail host, its domains, the DNS zones,
the router's forwards and the mail service. "mailpub plan" shows the differences, "mailpub
apply" applies them in a safe order, "mailpub verify" checks that mail arrives, and
"mailpub watch" monitors the site, repairs drift and sends notifications.

mailpub changes only what it created itself, and records that in a ledger beside the
config. It never overwrites or removes anything else without your consent, and "mailpub
destroy" restores the former state.`

// defaultConfig is the config file where the command line names none: that of MAILPUB_CONFIG; else one in the
// working directory, by any ending; else that of a package, where there is one.
func defaultConfig() string {
	if file := os.Getenv("MAILPUB_CONFIG"); file != "" {
		return file
	}

	for _, ending := range []string{"yaml", "yml", "toml", "json"} {
		if file := "mailpub." + ending; isFile(file) {
			return file
		}
	}

	if isFile(config.SystemConfig) {
		return config.SystemConfig
	}

	return term.DefaultConfig
}

// useSystem has a command work on what the package's services work on, where the command line says so.
func (a *app) useSystem() error {
	if !a.system {
		return nil
	}
	if a.ui.ConfigFile == defaultConfig() {
		a.ui.ConfigFile = config.SystemConfig
	}
	return config.UseSystem()
}

// rootCommand returns the whole command line.
func rootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "mailpub",
		Short: "Make a mail server behind a router reachable, and keep it reachable",
		Long:  rootHelp,
		Example: `  mailpub demo              try it on this machine, without an account
  mailpub init              detect the current setup and write ./mailpub.yaml
  mailpub plan              show planned changes for ./mailpub.yaml
  mailpub apply             apply them
  mailpub verify            check that mail arrives`,
		Version:       version().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.ui.Style = term.StyleOf(a.ui.Out, a.noColor)
			if a.style != nil {
				a.ui.Style = *a.style
			}

			if a.withSignals != nil && cmd.GroupID != groupAbout {
				cmd.SetContext(a.withSignals(cmd.Context()))
			}

			a.observe(cmd)
			a.ui.Stopped = cmd.Context().Err
			return a.useSystem()
		},
	}

	root.SetFlagErrorFunc(unknownFlag)
	f := root.PersistentFlags()
	f.StringVarP(&a.ui.ConfigFile, "config", "c", defaultConfig(),
		"config `FILE` (.yaml, .toml or .json)")

	if err := root.MarkPersistentFlagFilename("config", "yaml", "yml", "toml",
		"json"); err != nil {
		panic(err) // the flag is defined above
	}

	f.BoolVar(&a.system, "system", false, "the config and the secrets of the package's services, as root")
	f.BoolVar(&a.ui.JSON, "json", false, "print JSON on standard output, and nothing else there")
	f.BoolVar(&a.noColor, "no-color", false,
		"print without colour (so does the variable NO_COLOR; CLICOLOR_FORCE=1 prints colour into files, too)")

	f.VarP(&a.verbose, "verbose", "v", "log each question and write on standard error; -vv also what is on the wire, without secrets")
	f.Lookup("verbose").NoOptDefVal = more
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

	add(groupStart, initCommand(a), importCommand(a), demoCommand(a, runCommand))
	add(groupPublish, validateCommand(a), fmtCommand(a), planCommand(a), showCommand(a),
		applyCommand(a), verifyCommand(a), driftCommand(a), ignoreCommand(a),
		destroyCommand(a), stateCommand(a), requestCommand(a))

	add(groupServe, watchCommand(a), fleetCommand(a), serviceCommand(a), reportCommand(a), routerCommand(a),
		mdaemonCommand(a), mailboxCommand(a), reportsCommand(a), dkimCommand(a),
		receiveCommand(a), probeCommand(a))

	add(groupAbout, explainCommand(a), providersCommand(a), schemaCommand(a), versionCommand(a))
	root.AddCommand(configTopic(), unitsCommand(a))
	root.AddCommand(packagerCommands(a)...)
	customizeHelp(root)

	return root
}
