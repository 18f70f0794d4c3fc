package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func dkimCommand(a *app) *cobra.Command {
	var make bool
	cmd := &cobra.Command{
		Use:   "dkim",
		Short: "Make and list the DKIM keys",
		Long: `Lists the DKIM keys of the config: the file of the private key, with which the mail
server signs, and the record of the public key. "mailpub apply" or --make creates
missing keys; existing keys are never replaced.

To rotate keys, add a second selector, run apply, have the mail server sign with it, and
remove the first one some days later, when all mail signed with it is delivered.`,
		Example: "  mailpub dkim\n  mailpub dkim --make",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}

			if make {
				if err := makeKeys(cmd.Context(), cfg, a.site()); err != nil {
					return err
				}
			}

			keys, err := site.Keys(cmd.Context(), cfg)
			if err != nil {
				return err
			}

			return term.ShowKeys(a.ui, keys)
		},
	}

	cmd.Flags().BoolVar(&make, "make", false, "create missing keys")
	return cmd
}

// makeKeys makes the DKIM keys that are missing, under the site's lock.
func makeKeys(ctx context.Context, cfg *config.Config, o site.Options) error {
	lock, err := site.NewLock(ctx, cfg, o)
	if err != nil {
		return err
	}
	defer lock.Close()
	return lock.MakeAllKeys(ctx)
}
