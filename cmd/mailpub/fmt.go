package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/setup"
)

func fmtCommand(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Format config files",
		Long: `Rewrites config files in the usual form and prints the names of those that it changed: an
indentation of two spaces, line ends of Unix, no spaces at the end of a line, no more than one
empty line in a row. Comments, order and values stay. Without a FILE it formats the one of
--config.

Exit code: 0, or 1 when a file cannot be read or parsed. With --check: 2 when a file is not in
the usual form; then nothing is written.`,
		Example: `  mailpub fmt
  mailpub fmt --check sites/*.yaml      in a pre-commit hook`,
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{a.ui.ConfigFile}
			}

			var result error
			for _, file := range files {
				changed, err := setup.Format(file, check)
				switch {
				case err != nil:
					a.printErrorOf(file, err)
					result = errReported
				case changed:
					fmt.Fprintln(a.ui.Text(), file)
				}

				if changed && check && result == nil {
					result = errDifference
				}
			}

			return result
		},
	}

	cmd.Flags().BoolVar(&check, "check", false,
		"write nothing, and exit with 2 when a file is not in the usual form")

	return cmd
}
