package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

func showCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show PLANFILE",
		Short: "Show a saved plan",
		Long: `Shows a plan that "plan -o" saved, as plan showed it. Nothing is read but the file: no
config, no network. A file that was changed after it was saved is refused.

Exit code: 0, or 1 when the file is not a saved plan.`,
		Example: `  mailpub plan -o plan.json && mailpub show plan.json
  mailpub show --json plan.json`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"json"},
			cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("saved plan: %w", err)
			}

			saved, err := plan.DecodeSaved(data)
			if err != nil {
				return fmt.Errorf("saved plan %s: %w", args[0], err)
			}
			if a.ui.JSON {
				return a.ui.PrintJSON(json.RawMessage(data))
			}

			term.ShowSaved(a.ui, saved)
			return nil
		},
	}
}
