package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan"
)

func (a *app) destroyCommand() *cobra.Command {
	var ok consent
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "take away what mailpub put in place",
		Long: `Takes away everything that the ledger says mailpub put in place, in reverse order: MX
first, the mail service last. What it took over from others is put back as it was.
What somebody changed since is left, and named. Nothing else is touched, and no mail
is deleted.

Exit code: 0 when all is gone, else 1.`,
		Example: "  mailpub destroy\n  mailpub destroy --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			return a.locked(cmd.Context(), cfg, func(f plan.Lock, l *plan.Ledger) error {
				w, err := a.meet(cmd.Context(), cfg, l)
				if err != nil {
					return err
				}
				if err := a.enter(cmd.Context(), w); err != nil {
					return err
				}
				p, err := plan.Make(cmd.Context(), w.parties, l, time.Now())
				if err != nil {
					return err
				}
				w.feasible(p.Changes)
				return a.carryOut(cmd.Context(), w, p, f, ok)
			})
		},
	}
	cmd.Flags().BoolVarP(&ok.yes, "yes", "y", false, "do not ask")
	return cmd
}
