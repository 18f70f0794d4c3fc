package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/console"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/queue"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/transfer"
)

func fleetCommand(a *app) *cobra.Command {
	var f fleetFlags
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Manage many sites on several machines, in PostgreSQL",
		Long: `Keeps the sites of many customers in a PostgreSQL database (15 or newer): configs, ledgers,
plans, approvals and history. Any number of workers check and repair them, and take over
from each other; people see and approve what is theirs.

One machine needs none of this: "mailpub watch DIR" manages thousands of sites from files.
Without --database or MAILPUB_DATABASE none of it is started.`,
		Example: `  mailpub fleet migrate
  mailpub fleet import /etc/mailpub/sites
  mailpub fleet work`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}

	cmd.PersistentFlags().StringVar(&f.database, "database", "",
		"`URL` of the database, or a reference to it (env:NAME, file:PATH); by default $"+console.DatabaseVariable)
	cmd.AddCommand(fleetMigrateCommand(a, &f), fleetImportCommand(a, &f), fleetExportCommand(a, &f),
		fleetTenantCommand(&f), fleetWorkCommand(a, &f), fleetServeCommand(a, &f), fleetTokenCommand(a, &f), fleetSecretCommand(a, &f))
	cmd.AddCommand(fleetClientCommands(a)...)

	return cmd
}

func fleetMigrateCommand(a *app, f *fleetFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Update the tables of the database",
		Long: `Brings the tables to the version of this mailpub. Run twice it changes nothing. Workers of the
previous version keep working meanwhile.

Exit code: 0, or 1 when the tables could not be updated.`,
		Example: "  mailpub fleet migrate --database postgres://mailpub@db.example/fleet",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Migrate(cmd.Context(), a.ui, f.database)
		},
	}
}

func fleetImportCommand(a *app, f *fleetFlags) *cobra.Command {
	var o transfer.Options
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Move the sites of a directory into the fleet",
		Long: `Moves each *.yaml of DIR into the database, under the lock of its files: config, defaults,
ledger, known problems and history. The files stay; a mark beside the ledger has file
commands say where the site lives. To import again updates configs that have changed.

It refuses what has to stay with its machine, and says why: a router whose leases are
renewed from the LAN, a mail server that is set on its own machine, keys in files.

When a file of defaults has changed, the change goes to one site, then to 1 %, 10 % and the
rest, each step after the one before works, and stops at the first failure.

Exit code: 0 when every site was moved, else 1.`,
		Example: "  mailpub fleet import --dry-run /etc/mailpub/sites\n  mailpub fleet import --tenant hoster/customer sites",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.inFleet(cmd, func(db *store.DB) error {
				return console.ImportDir(cmd.Context(), a.ui, db, args[0], o)
			})
		},
	}

	cmd.Flags().StringVar(&o.Tenant, "tenant", "", "`PATH` of the tenant that the sites belong to; by default the operator")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be moved")
	cmd.Flags().IntVar(&o.StopAt, "stop-at", 1, "`NUMBER` of sites that may fail before a change of defaults stops")
	cmd.Flags().BoolVar(&o.AtOnce, "no-wave", false, "have changed defaults take effect for all sites at once")
	return cmd
}

func fleetExportCommand(a *app, f *fleetFlags) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the sites of the fleet as files",
		Long: `Writes the sites as the files of "mailpub watch DIR": configs, ledgers, known problems and
history, byte for byte. The sites stay in the database: stop the workers first, or pause the
tenant, before you watch the files.

Exit code: 0 when every site was written, else 1.`,
		Example: "  mailpub fleet export /etc/mailpub/sites\n  mailpub fleet export --tenant hoster/customer out",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.inFleet(cmd, func(db *store.DB) error {
				return console.ExportDir(cmd.Context(), a.ui, db, args[0], tenant)
			})
		},
	}

	cmd.Flags().StringVar(&tenant, "tenant", "", "`PATH` of the tenant; by default all")
	return cmd
}

func fleetWorkCommand(a *app, f *fleetFlags) *cobra.Command {
	o := console.WorkOptions{Version: version().Version}
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Run as a worker: check, repair and change sites",
		Long: `Does the work of the fleet until it is stopped: it checks sites when they are due, repairs what
their configs allow, makes and applies plans, and sends notices. Any number of workers share
it. One of them leads; when it ends another one does within seconds, and the work of a
worker that died is done by others.

Exit code: 0 when stopped by a signal, 1 when it could not start.`,
		Example: "  mailpub fleet work\n  mailpub fleet work --looks 128",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if a.verbose > 0 {
				level = slog.LevelDebug
			}

			log, err := fleet.NewLog(f.log, level, a.ui.Err)
			if err != nil {
				return err
			}

			o.Log = log
			return f.inFleet(cmd, func(db *store.DB) error { return console.Work(cmd.Context(), db, o) })
		},
	}

	cmd.Flags().IntVar(&o.Looks, "looks", queue.DefaultLooks, "how many sites to check at once")
	cmd.Flags().StringVar(&o.Key, "key", "", "`REFERENCE` to the key that seals the tenants' secrets (file:PATH, credential:NAME); by default $"+console.KeyVariable)
	cmd.Flags().StringSliceVar(&o.Allow, "allow", nil, "`RANGES` of private addresses that tenants' sites may connect to")
	cmd.Flags().StringVar(&o.Dir, "dir", "/etc/mailpub", "`DIR` that relative paths in the operator's own configs start from")
	cmd.Flags().StringVar(&f.log, "log", "text", "how to log on standard error: text, json, or to journald")
	return cmd
}
