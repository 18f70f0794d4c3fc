package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
)

// addAtOnce adds the flag that says how many sites are checked at once.
func addAtOnce(cmd *cobra.Command, n *int) {
	cmd.Flags().IntVar(n, "at-once", fleet.AtOnce,
		"how many sites to check at once; each name server, mail host and provider account has its own limit besides")

	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *n < 1 || *n > 1024 {
			return fmt.Errorf("--at-once is %d, want a number from 1 to 1024", *n)
		}
		return inner(cmd, args)
	}
}
