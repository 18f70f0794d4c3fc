package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan"
)

// helpful puts mailpub's own words in the place of what cobra brings along: the help of commands
// and topics, and the scripts for shells.
func helpful(root *cobra.Command) {
	root.DisableSuggestions = true // see wrongCommand
	root.SetHelpCommand(&cobra.Command{
		Use:     "help [COMMAND | TOPIC]",
		Short:   "say what a command does, or a topic is about",
		Long:    `Says what a command does; "mailpub help config" shows the config file, field by field.`,
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
				return err
			}
			if len(rest) > 0 {
				return fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	})
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "print a script by which a shell completes commands, flags and names"
		}
	}
}

// wrongCommand adds to cobra's error about a command that there is not the one that was probably
// meant, or where they are listed.
func wrongCommand(root *cobra.Command, err error) error {
	var name, path string
	if n, _ := fmt.Sscanf(err.Error(), "unknown command %q for %q", &name, &path); n != 2 {
		return err
	}
	about, _, found := root.Find(strings.Fields(path)[1:])
	if found != nil {
		return err
	}
	var known []string
	for _, c := range about.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	if best := plan.Nearest(name, known); best != "" {
		return fmt.Errorf("%w; did you mean %q?", err, path+" "+best)
	}
	return fmt.Errorf("%w; mailpub help%s lists them", err, strings.TrimPrefix(path, "mailpub"))
}
