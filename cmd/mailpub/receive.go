package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/receive"
)

func receiveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "receive",
		Short: "Run the bundled SMTP receiver",
		Long: `Receives mail over SMTP for the domains of the config, and stores each message safely in a
Maildir before it acknowledges it. It accepts postmaster and abuse of every domain and the
configured aliases, and never relays. It prints one line for each message.

It uses the settings written by "mailpub apply", and picks up later ones automatically.
Before the first apply it answers senders with a temporary error, so that no mail is lost.
It listens at service.listen, by default the server's address and the target port of the
forward of port 25, and port 25 of server.public.ipv6.`,
		Example: "  mailpub receive\n  mailpub -c office.yaml receive",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cfg.Service.Type != "receiver" {
				return fmt.Errorf("service.type is %q, want receiver: another server receives the mail of this site",
					cfg.Service.Type)
			}

			o := a.receive()
			o.Ready = func(addr net.Addr) {
				fmt.Fprintf(a.ui.Err, "receiving for %s at %s, mail goes to %s; Ctrl-C ends it\n",
					cfg.Server.Hostname, addr, cfg.Path(cfg.Service.Maildir))
			}

			return receive.Run(cmd.Context(), cfg, o)
		},
	}
}
