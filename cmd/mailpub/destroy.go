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
		Short: "Remove everything that mailpub created, and restore the former state",
		Long: `Removes everything that mailpub created according to the ledger, in reverse order: MX
first, the mail service last. It restores what it took over. It leaves anything that
was changed since, and lists it. It touches nothing else, and deletes no mail.

Exit code: 0 when everything is removed, else 1.`,
		Example: "  mailpub destroy\n  mailpub destroy --yes",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onLockedSite(cmd.Context(), func(s *site.Site) error {
				p, err := s.PlanRemoval(cmd.Context())
				if err != nil {
					return err
				}

				return approveAndApply(cmd.Context(), a.ui, p, &term.Consent{
					UI:  a.ui,
					Yes: yes,
				})
			})
		},
	}

	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
