package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/setup"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/providers"
)

func providersCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "providers [NAME]",
		Short: "List the DNS providers, or the settings of one",
		Long: `Lists the DNS providers (zones.provider in the config). With a name: the provider's
settings and the permissions that its credentials need. Secret settings take a reference
to a secret: env:NAME, file:PATH or exec:COMMAND.`,
		Example:           "  mailpub providers\n  mailpub providers rfc2136",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeProviders,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return term.ShowProviders(a.ui)
			}

			p, ok := providers.Lookup(args[0])
			if !ok {
				return fmt.Errorf("provider %w", config.OneOf(args[0], setup.ProviderNames()))
			}

			return term.ShowProvider(a.ui, p)
		},
	}
}

func completeProviders(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, p := range providers.All() {
		names = append(names, cobra.CompletionWithDesc(p.Name, p.Summary))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
