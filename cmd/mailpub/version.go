package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Prints the version of mailpub, its Go version and its platform.",
		Example: "  mailpub version\n  mailpub version --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if a.ui.JSON {
				return a.ui.PrintJSON(v)
			}
			_, err := fmt.Fprintf(a.ui.Out, "mailpub %s (%s, %s)\n", v.Version, v.Go, v.System)
			return err
		},
	}
}
