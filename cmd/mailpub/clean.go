package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func cleanCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove forwards of this site from the router that the config does not want",
		Long: `Lists the router's forwards and removes those that bear this site's mark but are not in
the config, such as leftovers of a lost ledger. It shows them and asks first. It never
touches forwards of other sites or other programs.

It needs a router that lists its forwards (UPnP, nftables). PCP and NAT-PMP have no list
request; their forwards expire with their leases.

Exit code: 0 when none is left, else 1.`,
		Example: "  mailpub router clean\n  mailpub router clean --yes",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onLockedSite(cmd.Context(), func(s *site.Site) error {
				strays, unread := s.Strays(cmd.Context())
				if len(strays) > 0 {
					term.ShowForwards(a.ui, strays)
					if !yes {
						if err := a.ui.Confirm(cmd.Context(),
							fmt.Sprintf("Remove %s?",
								term.Count(len(strays), "forward"))); err != nil {
							return err
						}
					}

					if err := s.RemoveStrays(cmd.Context(), strays); err != nil {
						return err
					}

					fmt.Fprintf(a.ui.Out, "%s %s.\n", a.ui.Green("Removed:"),
						term.Count(len(strays), "forward"))
				} else if unread == nil {
					fmt.Fprintln(a.ui.Out, "The router has no forward of this site that the config does not want.")
				}

				return unread
			})
		},
	}

	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
