package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/console"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

func fleetTenantCommand(f *fleetFlags) *cobra.Command {
	var trusted bool
	var approvals int
	cmd := &cobra.Command{
		Use:   "tenant PATH",
		Short: "Make a tenant, or update what the operator decides about it",
		Long: `Makes the tenant and those above it where they are missing (hoster/reseller/customer). It works
on the database itself.

The imported configs of a tenant with --trusted may name files, programs, environment variables
and private addresses of the workers, as the operator's own. Without it they may not.

Exit code: 0, or 1 when it could not be changed.`,
		Example: "  mailpub fleet tenant hoster --trusted\n  mailpub fleet tenant hoster/customer --approvals 1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var o console.TenantSettings
			if cmd.Flags().Changed("trusted") {
				o.Trusted = &trusted
			}
			if cmd.Flags().Changed("approvals") {
				o.Approvals = &approvals
			}
			return f.inFleet(cmd, func(db *store.DB) error { return console.SetTenant(cmd.Context(), db, args[0], o) })
		},
	}

	cmd.Flags().BoolVar(&trusted, "trusted", false, "its imported configs may use the workers' files, programs and network")
	cmd.Flags().IntVar(&approvals, "approvals", 0, "how many other people must approve a plan: 0, 1 or 2")
	return cmd
}
