package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan/durable"
)

func mailboxCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mailbox",
		Short: "Test the logins of the mailboxes that verify uses",
		Long: `Logs in to each mailbox of verify.mailboxes, at its IMAP and its submission server, and says
which can be used. It sends nothing.

Exit code: 0 when all can be used, 2 when one can't, 1 when the config is wrong.`,
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

// addMailbox is what the command line says of a mailbox.
type addMailbox struct {
	provider, clientID, clientSecret, file string
	deviceURL, tokenURL, scope             string
	wait                                   time.Duration
}

func addMailboxCommand(a *app) *cobra.Command {
	var f addMailbox
	cmd := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Authorize a mailbox at a provider, and print its lines for the config",
		Long: `Prints the lines of verify.mailboxes for an address. Google and Microsoft take no password from
programs: for them it asks for a permission (OAuth 2, device flow). You open a page on any
device and enter a code; the token that comes of it goes into a file that only you can
read, and is never shown. CLIENT-ID and secret are those of an application that you
registered at the provider (docs/mailboxes.md).

Exit code: 0; 1 when no permission was given.`,
		Example: `  mailpub mailbox add mario@gmx.net --provider gmx
  mailpub mailbox add mario@gmail.com --provider google --client-id ID --client-secret env:SECRET`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := f.add(cmd.Context(), a, args[0])
			if err != nil {
				return err
			}
			fmt.Fprint(a.ui.Out, lines)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.provider, "provider", "", "`NAME` of a provider whose servers are known")
	fl.StringVar(&f.clientID, "client-id", "", "`ID` of the application at the provider")
	fl.StringVar(&f.clientSecret, "client-secret", "", "a `REFERENCE` to its secret: env:NAME, file:PATH or exec:COMMAND")
	fl.StringVar(&f.file, "token-file", "mailbox.token", "`FILE` for the token")
	fl.StringVar(&f.deviceURL, "device-url", "", "`URL` of another provider's device flow (RFC 8628)")
	fl.StringVar(&f.tokenURL, "token-url", "", "`URL` of its tokens")
	fl.StringVar(&f.scope, "scope", "", "`SCOPE` that it wants")
	fl.DurationVar(&f.wait, "wait", 10*time.Minute, "how long to wait for the permission")
	return cmd
}

// add returns the lines for the config.
func (f addMailbox) add(ctx context.Context, a *app, address string) (string, error) {
	p := config.MailboxProvider{TokenURL: f.tokenURL, DeviceURL: f.deviceURL, Scope: f.scope}
	if f.provider != "" {
		known, ok := config.LookupMailboxProvider(f.provider)
		if !ok {
			return "", fmt.Errorf("--provider: %w", config.OneOf(f.provider, config.Words("verify.mailboxes.provider")))
		}
		p = known
	}
	lines := "verify:\n  mailboxes:\n    - address: " + address + "\n"
	if f.provider != "" {
		lines += "      provider: " + f.provider + "\n"
	} else {
		lines += "      submission: smtp." + domainOf(address) + ":465\n      imap: imap." + domainOf(address) + ":993\n"
	}
	if p.DeviceURL == "" {
		return lines + "      password: \"env:MAILBOX_PASSWORD\"\n", nil
	}
	if f.clientID == "" {
		return "", errors.New("--client-id is missing, want that of the application that you registered at the provider (docs/mailboxes.md)")
	}
	if err := f.permit(ctx, a, p); err != nil {
		return "", err
	}
	lines += "      oauth:\n        client_id: " + f.clientID + "\n"
	if f.clientSecret != "" {
		lines += fmt.Sprintf("        client_secret: %q\n", f.clientSecret)
	}
	lines += fmt.Sprintf("        refresh_token: %q\n", "file:"+f.file)
	if f.tokenURL != "" {
		lines += "        token_url: " + f.tokenURL + "\n"
	}
	return lines, nil
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

// permit gets the token into its file.
func (f addMailbox) permit(ctx context.Context, a *app, p config.MailboxProvider) error {
	ask := site.Permission{Provider: p, ClientID: f.clientID, Show: func(url, code string) { term.ShowCode(a.ui, url, code) }}
	if f.clientSecret != "" {
		secret, err := config.Resolve(ctx, f.clientSecret, ".")
		if err != nil {
			return fmt.Errorf("--client-secret: %w", err)
		}
		ask.ClientSecret = secret
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	token, err := ask.Ask(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no permission was given within %v", f.wait)
	}
	if err != nil {
		return err
	}
	return durable.Replace(f.file, []byte(token+"\n"))
}
