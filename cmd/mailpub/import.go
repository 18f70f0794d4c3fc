package main

import (
	"errors"
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/setup"
)

func importCommand(a *app) *cobra.Command {
	o := &setup.Options{}
	var adopt bool
	cmd := &cobra.Command{
		Use:   "import DOMAIN...",
		Short: "Write a config from an existing setup",
		Long: `Writes a config for a mail server that already works without mailpub, from the DNS
records of its domains, the router's forwards and the server's answers. Then it makes a
plan with that config: the plan is empty, or shows exactly what mailpub would change.
It writes only the config.

With --adopt, and only if the plan writes nothing, the current state is added to the
ledger; "mailpub drift" then reports changes to it. "mailpub destroy" leaves what was
there before mailpub. A router with only NAT-PMP or PCP cannot list its forwards: import
names the forwards that it could not read, and --adopt has the router confirm them.

If several domains share the server, name them all; the first one's MX is the mail host,
unless --hostname names it. Settings that are not in DNS have flags, above all
--provider and --set; import does not prompt for them.

Exit code: 0 when the config is written and the plan could be made, else 1.`,
		Example: `  mailpub import nomeazienda.it
  mailpub import nomeazienda.it example.org --provider desec
  mailpub import nomeazienda.it --adopt`,
		Args: func(_ *cobra.Command, domains []string) error {
			if len(domains) == 0 {
				return errors.New("a domain is missing, want one or more, as in mailpub import nomeazienda.it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Yes = true
			return setup.Import(cmd.Context(), a.setup(*o), args, adopt)
		},
	}

	setupFlags(cmd, o)
	if err := cmd.Flags().MarkHidden("yes"); err != nil {
		panic(err) // the flag is defined above
	}

	cmd.Flags().BoolVar(&adopt, "adopt", false,
		"add the current state to the ledger, if the plan is empty")

	return cmd
}
