package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/setup"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func mailboxCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mailbox",
		Short: "Test the logins of the mailboxes that verify uses",
		Long: `Logs in to the IMAP and the submission server of each mailbox in verify.mailboxes, and
reports the result. It sends no mail.

Exit code: 0 when all logins work, 2 when one fails, 1 when the config is wrong.`,
		Example: `  mailpub mailbox
  mailpub mailbox add mario@gmail.com --provider google --client-id ID --client-secret env:SECRET
  mailpub verify --only outbound.delivered`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := site.OpenFile(cmd.Context(), a.ui.ConfigFile, a.site())
			if err != nil {
				return err
			}

			states := s.TryMailboxes(cmd.Context())
			if a.ui.JSON {
				err = a.ui.PrintJSON(states)
			} else {
				term.ShowMailboxes(a.ui, states)
			}

			for _, state := range states {
				if err == nil && !state.Works {
					err = errDifference
				}
			}

			return err
		},
	}

	cmd.AddCommand(addMailboxCommand(a))
	return cmd
}

func addMailboxCommand(a *app) *cobra.Command {
	f := setup.Mailbox{UI: a.ui}
	cmd := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Authorize a mailbox at a provider, and print its lines for the config",
		Long: `Prints the lines of verify.mailboxes for an address. Google and Microsoft do not accept
passwords from programs: for them it requests authorization (OAuth 2, device flow). You
open a page on any device and enter a code; the token is written to a file that only you
can read, and is never shown. CLIENT-ID and secret belong to an application that you
registered with the provider (docs/mailboxes.md).

Exit code: 0, or 1 when authorization was not given.`,
		Example: `  mailpub mailbox add mario@gmx.net --provider gmx
  mailpub mailbox add mario@gmail.com --provider google --client-id ID --client-secret env:SECRET`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := f.Lines(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprint(a.ui.Out, lines)
			return nil
		},
	}

	fl := cmd.Flags()
	fl.StringVar(&f.Provider, "provider", "", "`NAME` of a provider whose servers are known")
	fl.StringVar(&f.ClientID, "client-id", "", "`ID` of the application at the provider")
	fl.StringVar(&f.ClientSecret, "client-secret", "",
		"a `REFERENCE` to its secret: env:NAME, file:PATH or exec:COMMAND")

	fl.StringVar(&f.TokenFile, "token-file", "mailbox.token", "`FILE` for the token")
	fl.StringVar(&f.DeviceURL, "device-url", "",
		"`URL` of another provider's device flow (RFC 8628)")

	fl.StringVar(&f.TokenURL, "token-url", "", "`URL` of its tokens")
	fl.StringVar(&f.Scope, "scope", "", "`SCOPE` that it wants")
	fl.DurationVar(&f.Wait, "wait", 10*time.Minute, "how long to wait for the permission")

	return cmd
}
