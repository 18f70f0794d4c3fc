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
		Long: `Makes a config of a mail server that works without mailpub: of what DNS holds for its
domains, what the router forwards to it, and what answers there. Then it plans with that
config, so that you see whether it says what is: the plan is empty, or shows exactly what
mailpub would do differently. Nothing but the config is written.

With --adopt, and only where the plan has nothing to write, what is there is taken into
the ledger: from then on "mailpub drift" tells when it changes. "mailpub destroy" leaves
standing what was right when mailpub came. A router that speaks NAT-PMP or PCP alone can't
list what it forwards: there import names the forwards that it could not see, and --adopt has
the router confirm them.

Where several domains share the server, name them all; the first one's MX is the mail
host, unless --hostname names it. Settings that DNS does not tell have flags, and are not
asked for: --provider and --set above all.

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
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take what is there into the ledger, where the plan is empty")
	return cmd
}
