package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/setup"
)

func initCommand(a *app) *cobra.Command {
	o := &setup.Options{}
	cmd := &cobra.Command{
		Use:   "init [DOMAIN]",
		Short: "Detect the setup, ask for the rest, and write a config",
		Long: `Looks before it asks: at this machine, the router and the protocols it speaks, its public
address, the domain in DNS and whose name servers it has, and what listens on the ports of
mail. Then it asks what it can't know, with what it found as the default, and writes a
commented config. Nothing else is changed, and an existing file is left alone.

It asks the router, the system's resolver and the domain's name servers, and nobody else.
Whether port 25 is open outwards is tried only at the servers that --egress names.

Each question has a flag. With --yes it asks nothing and takes what it found; without a
terminal it says which flags to give.

Exit code: 0 when the config is written, else 1.`,
		Example: `  mailpub init
  mailpub init nomeazienda.it --yes
  mailpub init nomeazienda.it --provider cloudflare --set token=env:CLOUDFLARE_TOKEN
  mailpub init nomeazienda.it --print`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return setup.Init(cmd.Context(), a.setup(*o), strings.Join(args, ""))
		},
	}
	setupFlags(cmd, o)
	return cmd
}

// setup returns what init and import are run with.
func (a *app) setup(o setup.Options) setup.Options {
	o.UI = a.ui
	o.Logger = a.logger()
	o.Site = a.site()
	return o
}

// setupFlags are those that init and import have in common.
func setupFlags(cmd *cobra.Command, o *setup.Options) {
	f, c := cmd.Flags(), &o.Choices
	f.BoolVarP(&o.Yes, "yes", "y", false, "do not ask: take what was found")
	f.BoolVar(&o.Force, "force", false, "replace a config file that is there")
	f.BoolVar(&o.Print, "print", false, "print the config instead of writing it")
	f.StringVar(&c.Site, "site", "", "`NAME` of the site")
	f.StringVar(&c.Hostname, "hostname", "", "`NAME` of the mail host")
	f.StringVar(&o.Address, "address", "", "`ADDRESS` of the mail server on the LAN; this machine's by default")
	f.StringVar(&c.Public, "public", "", "public IPv4 `ADDRESS`, auto or none")
	f.StringVar(&c.Provider, "provider", "", "`NAME` of who serves the zone (mailpub providers)")
	f.StringToStringVar(&o.Settings, "set", nil, "a setting of the provider, `KEY=VALUE`; secrets as references")
	f.StringSliceVar(&c.Nameservers, "nameserver", nil, "`HOST` to ask, instead of those of the zone")
	f.StringSliceVar(&c.Resolvers, "resolver", nil, "`HOST` that resolves names, instead of the system's")
	f.StringVar(&c.Protocol, "protocol", "", "`PROTOCOL` of the router: auto, upnp, pcp, nat-pmp, nftables, manual, none")
	f.StringVar(&c.URL, "router-url", "", "`URL` of the router's UPnP description, instead of a search")
	f.StringVar(&c.Gateway, "gateway", "", "`ADDRESS` of the router for PCP and NAT-PMP")
	f.StringVar(&c.Service, "service", "", "`TYPE` of the mail server: receiver, postfix, mdaemon, manual, ...")
	f.StringVar(&c.Postmaster, "postmaster", "", "`MAILBOX` that gets the mail for postmaster and abuse")
	f.StringSliceVar(&o.Ports, "port", nil, "`PORT` to forward, or PORT:INSIDE; 25 and what the server listens on by default")
	f.StringSliceVar(&c.Egress, "egress", nil, "mail server `HOST` outside at which to try port 25 outwards; nobody is asked by default")
	f.Lookup("set").DefValue = "" // none, which "[]" does not say
	protocols := []string{"auto", "upnp", "pcp", "nat-pmp", "nftables", "manual", "none"}
	complete := map[string]cobra.CompletionFunc{
		"provider": completeProviders,
		"service":  cobra.FixedCompletions(setup.ServerNames(), cobra.ShellCompDirectiveNoFileComp),
		"protocol": cobra.FixedCompletions(protocols, cobra.ShellCompDirectiveNoFileComp),
	}
	for name, words := range complete {
		if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
			panic(err) // the flags are defined above
		}
	}
}
