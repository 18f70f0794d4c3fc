package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

func stateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Show or correct the ledger",
		Long: `The ledger records what mailpub created for a site. These commands show and correct it,
under the site's lock; they never touch DNS, the router or the mail server. KEY is a name
as plan shows it: tcp/25, "nomeazienda.it. MX".`,
		Example: `  mailpub state list
  mailpub state show "nomeazienda.it. MX"
  mailpub state export >ledger.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}

	cmd.AddCommand(stateListCommand(a), stateShowCommand(a), stateExportCommand(a),
		stateRemoveCommand(a), stateMoveCommand(a))

	return cmd
}

// readLedger reads the ledger of the config's site, without its lock.
func (a *app) readLedger(cmd *cobra.Command) (*plan.Ledger, error) {
	_, l, err := site.Load(cmd.Context(), a.ui.ConfigFile, a.site())
	return l, err
}

func stateListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the entries of the ledger",
		Long: `Lists the entries of the ledger, one per line: target, name and value. Entries that
mailpub took over and will restore are marked.

Exit code: 0, or 1 when the ledger cannot be read.`,
		Example: "  mailpub state list\n  mailpub state list --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.readLedger(cmd)
			if err != nil {
				return err
			}
			if a.ui.JSON {
				return a.ui.PrintJSON(l)
			}

			return term.ShowLedger(a.ui, l)
		},
	}
}

func stateShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show KEY",
		Short:   "Show one entry of the ledger",
		Long:    "Shows all that the ledger has of one thing.\n\nExit code: 0, or 1 when the ledger does not have it.",
		Example: "  mailpub state show tcp/25",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.readLedger(cmd)
			if err != nil {
				return err
			}

			e, err := site.FindEntry(l, args[0])
			if err != nil {
				return err
			}

			if a.ui.JSON {
				one := plan.NewLedger(l.Site)
				one.Put(e)
				return a.ui.PrintJSON(one)
			}

			term.ShowEntry(a.ui, e)
			return nil
		},
	}
}

func stateExportCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print the ledger as JSON",
		Long: `Prints the whole ledger, for a backup or another program. It contains no secrets.

Exit code: 0, or 1 when the ledger cannot be read.`,
		Example: "  mailpub state export >ledger.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.readLedger(cmd)
			if err != nil {
				return err
			}
			return a.ui.PrintJSON(l)
		},
	}
}

func stateRemoveCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "rm KEY...",
		Short: "Remove entries from the ledger",
		Long: `Removes entries from the ledger, without touching the records or forwards themselves:
destroy will not remove them, and former values will not be restored. If the config still
wants one and it is in place, the next apply adds it to the ledger again.

Exit code: 0, or 1 when the ledger lacks one of them; then none is removed.`,
		Example: "  mailpub state rm tcp/8080",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onLedger(cmd, yes, fmt.Sprintf("Forget %s?",
				term.Count(len(args), "entry")), func(l *site.Lock) error {
				return l.Forget(args...)
			})
		},
	}

	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func stateMoveCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "mv KEY NEWKEY",
		Short: "Rename an entry of the ledger",
		Long: `Renames an entry, if another program renamed the record or forward: a record that moved to
another name, a forward with another port. The record or forward itself is not changed.
The new name must be of the same kind, and unused.

Exit code: 0, or 1 when nothing was changed.`,
		Example: `  mailpub state mv tcp/8025 tcp/25`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onLedger(cmd, yes, fmt.Sprintf("Rename %s to %s in the ledger?", args[0],
				args[1]), func(l *site.Lock) error {
				return l.Rename(args[0], args[1])
			})
		},
	}

	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// onLedger changes the ledger of the config's site, under its lock.
func (a *app) onLedger(cmd *cobra.Command, yes bool, question string, change func(*site.Lock) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}

	if !yes {
		if err := a.ui.Confirm(cmd.Context(), question); err != nil {
			return err
		}
	}

	lock, err := site.NewLock(cmd.Context(), cfg, a.site())
	if err != nil {
		return err
	}

	defer lock.Close()

	return change(lock)
}
