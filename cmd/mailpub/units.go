package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

// unitsCommand is for those who make packages, so that no list shows it.
func unitsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "units DIR",
		Short:  "Write the units of a package into a directory",
		Hidden: true,
		Long: `Writes the units of systemd that a package brings along: mailpub.service, which watches,
mailpub-drift.timer, which only tells, and mailpub-receive.service, for the site of
/etc/mailpub/mailpub.yaml. They run as the user mailpub, the receiver as mailpub-receive.`,
		Example: "  mailpub units /usr/lib/systemd/system",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := unit.Packaged()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}

			for _, f := range files {
				if err := os.WriteFile(filepath.Join(args[0], f.Name), []byte(f.Text),
					0o644); err != nil {
					return err
				}
			}

			return nil
		},
	}
}
