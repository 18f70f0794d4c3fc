package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
)

func demoCommand(a *app, mailpub demo.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run the whole cycle on this machine, without root, network or account",
		Long: `Starts a name server, a router and a few ports to be forwarded on loopback, and runs
mailpub against them: plan, apply, a message from outside, sabotage, drift, repair,
destroy. The commands are those you would type, the drivers those of every day; only
what is at the other end is embedded. Nothing leaves this machine and nothing is left.

Exit code: 0 when every step did what it should, else 1.`,
		Example: "  mailpub demo",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), a.ui, mailpub)
		},
	}
}
