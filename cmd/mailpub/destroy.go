package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func destroyCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Remove what mailpub put in place, and restore what was there before",
		Long: `Takes away everything that the ledger says mailpub put in place, in reverse order: MX
first, the mail service last. What it took over from others is put back as it was.
What somebody changed since is left, and named. Nothing else is touched, and no mail
is deleted.

Exit code: 0 when all is gone, else 1.`,
		Example: "  mailpub destroy\n  mailpub destroy --yes",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onLockedSite(cmd.Context(), func(s *site.Site) error {
				p, err := s.PlanRemoval(cmd.Context())
				if err != nil {
					return err
				}
				return approveAndApply(cmd.Context(), a.ui, p, &term.Consent{UI: a.ui, Yes: yes})
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
