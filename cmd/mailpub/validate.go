package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
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

			valid := true
			var seen []term.Validated
			for _, file := range files {
				_, err := config.Load(file)
				seen = append(seen, term.Validated{File: file, Err: err})
				valid = valid && err == nil
			}

			if err := term.ShowValidated(a.ui, seen); err != nil {
				return err
			}
			if !valid {
				return errReported
			}

			return nil
		},
	}
}
