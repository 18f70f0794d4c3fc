package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

// unitsCommand is for those who make packages, so that no list shows it.
func (a *app) unitsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "units DIR",
		Short:  "write the units of a package into a directory",
		Hidden: true,
		Long: `Writes the units of systemd that a package brings along: mailpub.service, which watches,
mailpub-drift.timer, which only tells, and mailpub-receive.service, for the site of
/etc/mailpub/mailpub.yaml, run by the user mailpub.`,
		Example: "  mailpub units /usr/lib/systemd/system",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := packagedUnits()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, f := range files {
				if err := os.WriteFile(filepath.Join(args[0], f.Name), []byte(f.Text), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func packagedUnits() ([]unit.File, error) {
	o := unit.Options{
		Name: "mailpub", Program: "/usr/bin/mailpub", Configs: []string{"/etc/mailpub/mailpub.yaml"},
		Writable: []string{stateOfPackage, "/etc/mailpub"}, User: userOfPackage,
	}
	files, err := unit.Drift(o)
	if err != nil {
		return nil, err
	}
	for _, make := range []func(unit.Options) (unit.File, error){unit.Watch, unit.Receive} {
		f, err := make(o)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
