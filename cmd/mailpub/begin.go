package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/providers/resolver"
)

// beginning is what init and import have in common: they look, and write a config file.
type beginning struct {
	app        *app
	command    string // "init nomeazienda.it", as the file names it
	choices    draft.Choices
	address    string
	ports      []string
	settings   map[string]string
	yes, force bool
	print      bool
	found      scout.Found
	asking     questions
}

func (b *beginning) flags(cmd *cobra.Command) {
	f, c := cmd.Flags(), &b.choices
	f.BoolVarP(&b.yes, "yes", "y", false, "do not ask: take what was found")
	f.BoolVar(&b.force, "force", false, "replace a config file that is there")
	f.BoolVar(&b.print, "print", false, "print the config instead of writing it")
	f.StringVar(&c.Site, "site", "", "`NAME` of the site")
	f.StringVar(&c.Hostname, "hostname", "", "`NAME` of the mail host")
	f.StringVar(&b.address, "address", "", "`ADDRESS` of the mail server on the LAN; this machine's by default")
	f.StringVar(&c.Public, "public", "", "public IPv4 `ADDRESS`, auto or none")
	f.StringVar(&c.Provider, "provider", "", "`NAME` of who serves the zone (mailpub providers)")
	f.StringToStringVar(&b.settings, "set", nil, "a setting of the provider, `KEY=VALUE`; secrets as references")
	f.StringSliceVar(&c.Nameservers, "nameserver", nil, "`HOST` to ask, instead of those of the zone")
	f.StringSliceVar(&c.Resolvers, "resolver", nil, "`HOST` that resolves names, instead of the system's")
	f.StringVar(&c.Protocol, "protocol", "", "`PROTOCOL` of the router: auto, upnp, pcp, nat-pmp, nftables, manual, none")
	f.StringVar(&c.URL, "router-url", "", "`URL` of the router's UPnP description, instead of a search")
	f.StringVar(&c.Gateway, "gateway", "", "`ADDRESS` of the router for PCP and NAT-PMP")
	f.StringVar(&c.Service, "service", "", "`TYPE` of the mail server: receiver, postfix, mdaemon, manual, ...")
	f.StringVar(&c.Postmaster, "postmaster", "", "`MAILBOX` that gets the mail for postmaster and abuse")
	f.StringSliceVar(&b.ports, "port", nil, "`PORT` to forward, or PORT:INSIDE; 25 and what the server listens on by default")
	f.StringSliceVar(&c.Egress, "egress", nil, "mail server `HOST` outside at which to try port 25 outwards; nobody is asked by default")
	f.Lookup("set").DefValue = "" // none, which "[]" does not say
	complete := map[string]cobra.CompletionFunc{"provider": completeProviders, "service": cobra.FixedCompletions(serverNames(), cobra.ShellCompDirectiveNoFileComp),
		"protocol": cobra.FixedCompletions([]string{"auto", "upnp", "pcp", "nat-pmp", "nftables", "manual", "none"}, cobra.ShellCompDirectiveNoFileComp)}
	for name, words := range complete {
		if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
			panic(err) // the flags are defined above
		}
	}
}

// prepare sees that the file may be written, and reads the flags that are no plain text.
func (b *beginning) prepare(a *app) error {
	b.app, b.choices.Settings = a, b.settings
	b.asking = questions{app: a, yes: b.yes}
	if ext := strings.ToLower(filepath.Ext(a.configFile)); ext != ".yaml" && ext != ".yml" && !b.print {
		return fmt.Errorf("-c is %q, want a name that ends in .yaml: the config is written as YAML", a.configFile)
	}
	if _, err := os.Stat(a.configFile); err == nil && !b.force && !b.print {
		return fmt.Errorf("%s is there already: mailpub%s plan uses it, --force replaces it, -c names another", a.configFile, a.configFlag())
	}
	if b.address != "" {
		addr, err := netip.ParseAddr(b.address)
		if err != nil {
			return fmt.Errorf("--address is %q, want the server's on the LAN, like 10.10.10.10", b.address)
		}
		b.choices.Address = addr
	}
	var err error
	b.choices.Ports, err = readPorts(strings.Join(b.ports, " "))
	return err
}

// look looks at everything about these domains, and shows it.
func (b *beginning) look(ctx context.Context, domains []string) error {
	c := &b.choices
	o := scout.Options{
		Domains: domains, Host: c.Hostname, Address: c.Address,
		Resolver: &resolver.Resolver{Servers: c.Resolvers}, Nameservers: c.Nameservers, Egress: c.Egress,
		NoRouter: c.Protocol == "manual" || c.Protocol == "none",
	}
	o.Router.Protocol, o.Router.URL, o.Router.Logger = c.Protocol, c.URL, b.app.logger()
	o.Ports = c.Ports
	if c.Gateway != "" {
		addr, err := netip.ParseAddr(c.Gateway)
		if err != nil {
			return fmt.Errorf("--gateway is %q, want the router's address on the LAN, like 192.168.1.1", c.Gateway)
		}
		o.Router.Gateway = addr
	}
	fmt.Fprintln(b.app.err, b.app.look.dim("Looking at this machine, the router, DNS and the mail server ..."))
	var err error
	if b.found, err = scout.Look(ctx, o); err != nil {
		return err
	}
	if !b.app.json && !b.print {
		b.app.showFound(b.app.out, b.found)
	}
	return nil
}

// write makes the config of what was found and decided, sees that it is one, and writes it.
func (b *beginning) write() (*config.Config, error) {
	a := b.app
	d := draft.From(b.found, b.choices)
	d.How, d.Schema = "mailpub "+b.command, schema.ID
	if b.packaged() {
		d.State, d.Maildir, d.User = stateOfPackage, stateOfPackage+"/mail", userOfPackage
	}
	text, err := d.YAML()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(a.configFile, text)
	if err != nil {
		var problems config.Errors
		if errors.As(err, &problems) {
			return nil, fmt.Errorf("what was given makes no config: %s", strings.ReplaceAll(problems.Error(), "\n", "; "))
		}
		return nil, err
	}
	if b.print {
		_, err := a.out.Write(text)
		return cfg, err
	}
	if err := durable.Replace(a.configFile, text); err != nil {
		return nil, fmt.Errorf("the config was not written: %w", err)
	}
	return cfg, nil
}

// receiverHere reports whether the bundled receiver of a site has been set up beside the config.
func (a *app) receiverHere(site string) bool {
	state := config.DefaultState
	if b := (beginning{app: a}); b.packaged() {
		state = stateOfPackage
	}
	_, err := os.Stat(settingsPath(&config.Config{File: a.configFile, State: state, Site: site}))
	return err == nil
}

// rightServer returns an error unless a word is a kind of mail server.
func rightServer(s string) error { return config.OneOf(s, serverNames()) }

func serverNames() (names []string) {
	for _, t := range config.ServerTypes() {
		names = append(names, t.Name)
	}
	return names
}
