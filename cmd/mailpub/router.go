package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func routerCommand(a *app) *cobra.Command {
	var script bool
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Show the router: protocols, WAN address, forwards and their owners",
		Long: `Shows the router: device, protocols and WAN address with its kind; for each wanted port
the target, owner and lease of its forward; all other forwards with their owners, if the
router can list them; and, on the mail server itself, whether the host firewall admits
connections from outside. It writes nothing.

With --nft, if router.protocol is nftables, it prints the forwards as input for nft(8), to
restore them at boot.

Exit code: 0, or 1 when no router answers.`,
		Example: `  mailpub router
  mailpub router --json
  mailpub router heal smtp
  mailpub router clean
  mailpub router --nft >/etc/nftables.d/mailpub.nft`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := site.OpenFile(cmd.Context(), a.ui.ConfigFile, a.site())
			if err != nil {
				return err
			}

			if script {
				text, err := s.RouterScript(cmd.Context())
				if err == nil {
					_, err = io.WriteString(a.ui.Out, text)
				}
				return err
			}

			status, err := s.RouterStatus(cmd.Context())
			if err != nil {
				return err
			}
			if a.ui.JSON {
				return a.ui.PrintJSON(status)
			}

			term.ShowRouter(a.ui, status.Report)
			term.ShowFirewall(a.ui, status.Firewall)
			return nil
		},
	}

	cmd.AddCommand(healCommand(a), cleanCommand(a))
	cmd.Flags().BoolVar(&script, "nft", false, "print the forwards as text for nft(8)")
	return cmd
}
