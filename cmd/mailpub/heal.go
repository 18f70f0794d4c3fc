package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

func healCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "heal FORWARD",
		Short: "Recreate a forward that the router lists but does not serve",
		Long: `Some routers list a forward that does not work, mostly after a reload of their firewall.
This command removes the forward, creates it again and reads it back. FORWARD is its
name in the config, or its port as plan shows it: smtp, tcp/25, tcp6/25. It touches only
forwards that mailpub created. Check from outside whether a forward works; re-creating a
working forward does no harm, except that connections break.

Exit code: 0 when the forward is in the router again, else 1.`,
		Example: "  mailpub router heal smtp\n  mailpub router heal --yes tcp/25",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onLockedSite(cmd.Context(), func(s *site.Site) error {
				forwards, err := s.Forwards(args[0])
				if err != nil {
					return err
				}

				if !yes {
					var names []string
					for _, f := range forwards {
						names = append(names, f.Key.Name)
					}

					if err := a.ui.Confirm(cmd.Context(),
						"Remove and re-create "+strings.Join(names, " and ")+"?"); err != nil {
						return err
					}
				}

				return s.Heal(cmd.Context(), forwards)
			})
		},
	}

	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
