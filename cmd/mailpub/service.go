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
		Long: `Makes "mailpub watch" a service of the system: of systemd, with a hardened unit of
Type=notify and a watchdog; of Windows; or of launchd on macOS. With --timer it is, under
systemd, "mailpub drift" every 15 minutes instead, which fails when something is wrong. With
--receive, under systemd, "mailpub receive" is a service of its own beside it.

Secrets that the config names as env:NAME stand in /etc/mailpub/environment under systemd. On
Windows a service sees no variable of yours: let the config name a file, as file:PATH.`,
		Example: `  mailpub service install --print                what it would install
  mailpub service install /etc/mailpub/sites
  mailpub service install --receive
  mailpub service status
  mailpub service remove`,
	}
	cmd.PersistentFlags().StringVar(&o.Name, "name", "mailpub", "`NAME` of the service, where there are several")
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
	fl.BoolVar(&o.Print, "print", false, "print what would be installed, and do nothing")
	fl.BoolVar(&o.Print, "dry-run", false, "the same as --print")
	fl.BoolVar(&o.Timer, "timer", false, "under systemd: a timer that runs drift, instead of watch")
	fl.BoolVar(&o.Receive, "receive", false, "under systemd: also the bundled receiver, as a service of its own")
	fl.StringVar(&o.User, "user", "", "run it as `USER`, who has to be able to write the state directory; by default root")
	cmd.AddCommand(install, &cobra.Command{
		Use: "remove", Short: "Stop and remove the service", Args: noArguments,
		Long:    "Stops and removes the service. Configs, ledgers and whatever mailpub put in place stay.",
		Example: "  mailpub service remove",
		RunE:    func(cmd *cobra.Command, _ []string) error { return service.Remove(cmd.Context(), a.ui, o) },
	}, &cobra.Command{
		Use: "status", Short: "Show whether the service runs", Args: noArguments,
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
