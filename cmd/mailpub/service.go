package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/service"
)

func serviceCommand(a *app) *cobra.Command {
	var o service.Options
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Manage mailpub watch as a system service",
		Long: `Runs "mailpub watch" as a system service: under systemd, with a hardened unit of
Type=notify and a watchdog; under Windows; or under launchd on macOS. With --timer systemd
runs "mailpub drift" every 15 minutes instead, which fails if something is wrong. With
--receive systemd also runs "mailpub receive", as a separate service.

Under systemd, secrets that the config names as env:NAME are in /etc/mailpub/environment.
A Windows service has no access to your variables: use file:PATH in the config.`,
		Example: `  mailpub service install --print                what it would install
  mailpub service install /etc/mailpub/sites
  mailpub service install --receive
  mailpub service status
  mailpub service remove`,
	}

	cmd.PersistentFlags().StringVar(&o.Name, "name", "mailpub",
		"`NAME` of the service, where there are several")

	install := &cobra.Command{
		Use:     "install [FILE|DIR]...",
		Short:   "Install and start the service",
		Long:    "Installs and starts the service for the config, or for FILEs and DIRs as \"mailpub watch\" takes them.",
		Example: "  mailpub service install --print\n  mailpub service install /etc/mailpub/sites",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{a.ui.ConfigFile}
			}

			unit, err := service.UnitOptions(o, args)
			if err != nil {
				return err
			}

			return service.Install(cmd.Context(), a.ui, unit, o)
		},
	}

	fl := install.Flags()
	fl.BoolVar(&o.Print, "print", false, "print the files to install, without installing them")
	fl.BoolVar(&o.Print, "dry-run", false, "the same as --print")
	fl.BoolVar(&o.Timer, "timer", false, "under systemd: a timer that runs drift, instead of watch")
	fl.BoolVar(&o.Receive, "receive", false,
		"under systemd: also the bundled receiver, as a separate service")

	fl.StringVar(&o.User, "user", "", "run it as `USER`, which needs write access to the state directory; by default root")
	cmd.AddCommand(install, &cobra.Command{
		Use:     "remove",
		Short:   "Stop and remove the service",
		Args:    noArguments,
		Long:    "Stops and removes the service. Configs, ledgers, records and forwards stay in place.",
		Example: "  mailpub service remove",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return service.Remove(cmd.Context(), a.ui, o)
		},
	}, &cobra.Command{
		Use:     "status",
		Short:   "Show whether the service runs",
		Args:    noArguments,
		Long:    "Says whether the service is installed and runs. Exit code: 0 when it runs, else 2.",
		Example: "  mailpub service status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := service.Status(cmd.Context(), a.ui, o)
			if err == nil && !runs {
				return errDifference
			}
			return err
		},
	})

	return cmd
}
