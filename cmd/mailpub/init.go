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
		Long: `Detects the current setup first: this machine, the router and its protocols, the public
address, the domain's records and name servers, and the open mail ports. Then it prompts
for the rest, with the detected values as defaults, and writes a commented config. It
changes nothing else, and never overwrites a file.

It queries only the router, the system's resolver and the domain's name servers. It tests
outgoing port 25 only at the servers named with --egress.

Each question has a flag. With --yes it does not prompt and takes the detected values;
without a terminal it lists the flags to set.

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
	f := cmd.Flags()
	c := &o.Choices
	f.StringVar(&c.Reports, "reports", "", "`ADDRESS` for DMARC and TLS reports, or none; by default the postmaster's")
	f.StringVar(&c.DKIM, "dkim", "", "`SELECTOR` of the DKIM key that the server signs with, or none")
	f.StringVar(&c.Certificate, "certificate", "", "`KIND` of the bundled receiver's certificate: acme (Let's Encrypt) or none")
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
	f := cmd.Flags()
	c := &o.Choices
	f.BoolVarP(&o.Yes, "yes", "y", false, "do not prompt: use the detected values")
	f.BoolVar(&o.Force, "force", false, "replace an existing config file")
	f.BoolVar(&o.Print, "print", false, "print the config instead of writing it")
	f.StringVar(&c.Site, "site", "", "`NAME` of the site")
	f.StringVar(&c.Hostname, "hostname", "", "`NAME` of the mail host")
	f.StringVar(&o.Address, "address", "", "`ADDRESS` of the mail server on the LAN; this machine's by default")
	f.StringVar(&c.Public, "public", "", "public IPv4 `ADDRESS`, auto or none")
	f.StringVar(&c.Provider, "provider", "", "`NAME` of the DNS provider (mailpub providers)")
	f.StringToStringVar(&o.Settings, "set", nil,
		"a setting of the provider, `KEY=VALUE`; secrets as references")

	f.StringSliceVar(&c.Nameservers, "nameserver", nil,
		"`HOST` to ask, instead of those of the zone")

	f.StringSliceVar(&c.Resolvers, "resolver", nil,
		"`HOST` that resolves names, instead of the system's")

	f.StringVar(&c.Protocol, "protocol", "",
		"`PROTOCOL` of the router: auto, upnp, pcp, nat-pmp, nftables, manual, none")

	f.StringVar(&c.URL, "router-url", "", "`URL` of the router's UPnP description, instead of a search")
	f.StringVar(&c.Gateway, "gateway", "", "`ADDRESS` of the router for PCP and NAT-PMP")
	f.StringVar(&c.Service, "service", "", "`TYPE` of the mail server: receiver, postfix, mdaemon, manual, ...")
	f.StringVar(&c.Postmaster, "postmaster", "",
		"`MAILBOX` that gets the mail for postmaster and abuse")

	f.StringSliceVar(&o.Ports, "port", nil, "`PORT` to forward, or PORT:INSIDE; by default 25 and the server's open ports")
	f.StringSliceVar(&c.Egress, "egress", nil,
		"external mail server `HOST` for the test of outgoing port 25; by default none")

	f.Lookup("set").DefValue = "" // none, which "[]" does not say
	protocols := []string{"auto", "upnp", "pcp", "nat-pmp", "nftables", "manual", "none"}
	complete := map[string]cobra.CompletionFunc{
		"provider": completeProviders,
		"service": cobra.FixedCompletions(setup.ServerNames(),
			cobra.ShellCompDirectiveNoFileComp),
		"protocol": cobra.FixedCompletions(protocols, cobra.ShellCompDirectiveNoFileComp),
	}

	for name, words := range complete {
		if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
			panic(err) // the flags are defined above
		}
	}
}
