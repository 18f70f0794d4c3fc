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
		Long: `Lists everything that the router forwards, and removes what bears this site's mark and
the config does not want: what an earlier run left behind whose ledger is lost. It shows
them and asks. Forwards of other sites and of other programs are never touched.

It needs a router that lists its forwards (UPnP, nftables); PCP and NAT-PMP list nothing,
and what they made ends by itself.

Exit code: 0 when none is left, else 1.`,
		Example: "  mailpub router clean\n  mailpub router clean --yes",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onLockedSite(cmd.Context(), func(s *site.Site) error {
				strays, unread := s.Strays(cmd.Context())
				if len(strays) > 0 {
					term.ShowForwards(a.ui, strays)
					if !yes {
						if err := a.ui.Confirm(cmd.Context(), fmt.Sprintf("Remove %s?", term.Count(len(strays), "forward"))); err != nil {
							return err
						}
					}
					if err := s.RemoveStrays(cmd.Context(), strays); err != nil {
						return err
					}
					fmt.Fprintf(a.ui.Out, "%s %s.\n", a.ui.Green("Removed:"), term.Count(len(strays), "forward"))
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
