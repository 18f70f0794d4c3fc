package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

// customizeHelp replaces cobra's own words: the help of commands and topics, and the scripts for
// shells.
func customizeHelp(root *cobra.Command) {
	root.DisableSuggestions = true // see unknownCommand
	root.SetHelpCommand(&cobra.Command{
		Use:     "help [COMMAND | TOPIC]",
		Short:   "Show the help of a command or a topic",
		Long:    `Shows the help of a command; "mailpub help config" shows the config file, field by field.`,
		Example: "  mailpub help apply\n  mailpub help router heal\n  mailpub help config",
		GroupID: groupAbout,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			about, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			for _, c := range about.Commands() {
				if !c.Hidden {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}

			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return unknownCommand(root, args, err)
			}
			if len(rest) > 0 {
				return noSuchCommand(about, rest[0])
			}

			about.InitDefaultHelpFlag()
			return about.Help()
		},
	})

	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		style := term.StyleOf(c.OutOrStdout(), true)
		if style.Columns == 0 {
			help(c, args)
			return
		}

		out := c.OutOrStdout()
		var text bytes.Buffer
		c.SetOut(&text)
		help(c, args)
		c.SetOut(out)
		fmt.Fprint(out, style.Fold(text.String()))
	})

	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Print a script for shell completion"
			nameShells(c)
		}
	}

	nameMissingArguments(root)
}

// nameShells has the command for completion refuse a shell that it does not know, which cobra answers with help.
func nameShells(completion *cobra.Command) {
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noSuchCommand(c, args[0])
		}
		return c.Help()
	}
}

// nameMissingArguments has every command below one say how it is used where cobra counts arguments.
func nameMissingArguments(c *cobra.Command) {
	for _, below := range c.Commands() {
		nameMissingArguments(below)
	}

	check := c.Args
	if check == nil {
		return
	}

	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil || !strings.Contains(err.Error(), "arg(s)") {
			return err
		}
		return fmt.Errorf("wrong number of arguments (%d), want %q", len(args),
			strings.TrimSuffix(c.UseLine(), " [flags]"))
	}
}

// unknownCommand replaces cobra's error about a command that does not exist by one with the command
// that was probably meant.
func unknownCommand(root *cobra.Command, args []string, err error) error {
	about, rest, notFound := root.Find(args)
	if notFound == nil {
		return err
	}

	about.FParseErrWhitelist.UnknownFlags = true
	if about.ParseFlags(rest) != nil || about.Flags().NArg() == 0 {
		return err
	}

	return noSuchCommand(about, about.Flags().Arg(0))
}

// noArguments is for commands that take none: a word behind them was meant as a command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return noSuchCommand(cmd, args[0])
	}
	return nil
}

// noSuchCommand is the error about a command that about does not have, with the one that was probably
// meant, or where they are listed.
func noSuchCommand(about *cobra.Command, name string) error {
	path := about.CommandPath()
	var known []string
	for _, c := range about.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}

	if best := plan.Nearest(name, known); best != "" {
		return fmt.Errorf("unknown command %q for %q; did you mean %q?", name, path,
			path+" "+best)
	}

	return fmt.Errorf("unknown command %q for %q; mailpub help%s lists them", name, path,
		strings.TrimPrefix(path, "mailpub"))
}

// unknownFlag is the error of a flag that a command does not take, with the one that was probably
// meant.
func unknownFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	}

	name := unknown.GetSpecifiedName()
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })

	if best := plan.Nearest(name, known); best != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, best)
	}

	for _, k := range known { // a beginning
		if len(name) > 2 && strings.HasPrefix(k, name) {
			return fmt.Errorf("%w; did you mean --%s?", err, k)
		}
	}

	return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
}

// configTopic is a page of the help, no command.
func configTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Show every field of the config file",
		Long:  config.Help(),
	}
}
