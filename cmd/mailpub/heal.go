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
		Long: `Some routers list a forward that leads nowhere, mostly after their firewall was loaded
again. This takes it away, puts it there anew and reads it back. FORWARD is its name in
the config, or its port as plan shows it: smtp, tcp/25, tcp6/25. Only what mailpub put
there is touched. Whether it is dead is for you to see, from outside; there is no harm in
healing one that is well, but that connections break off.

Exit code: 0 when it is there again, else 1.`,
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
					if err := a.ui.Confirm(cmd.Context(), "Take away and put anew "+strings.Join(names, " and ")+"?"); err != nil {
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
