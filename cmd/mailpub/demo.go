package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
)

func demoCommand(a *app, mailpub demo.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run the whole cycle on this machine, without root, network or account",
		Long: `Starts a name server, a router and a few open ports on loopback, and runs mailpub against
them: plan, apply, a message from outside, sabotage, drift, repair, destroy. The commands
and drivers are the real ones; only the servers are embedded. It uses no network beyond
loopback and leaves nothing behind.

Exit code: 0 when every step succeeded, else 1.`,
		Example: "  mailpub demo",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), a.ui, mailpub)
		},
	}
}
