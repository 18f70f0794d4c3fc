package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

func validateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check config files offline",
		Long: `Checks config files: fields, values and their consistency. It resolves no secrets, uses no
network and writes nothing, so it fits a pre-commit hook or a pull request. Without a FILE
it checks the one of --config.

Exit code: 0 when every file is correct, else 1.`,
		Example: `  mailpub validate
  mailpub validate sites/*.yaml`,
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{a.ui.ConfigFile}
			}
			wrong := 0
			for _, file := range files {
				if _, err := config.Load(file); err != nil {
					wrong++
					fmt.Fprintln(a.ui.Err, err)
					continue
				}
				fmt.Fprintf(a.ui.Out, "%s is valid\n", file)
			}
			if wrong > 0 {
				return errReported
			}
			return nil
		},
	}
}
