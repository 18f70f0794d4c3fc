package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

func (a *app) initCommand() *cobra.Command {
	b := &beginning{}
	cmd := &cobra.Command{
		Use:   "init [DOMAIN]",
		Short: "look at what is there, ask what can't be seen, and write a config",
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
			if err := b.prepare(a); err != nil {
				return err
			}
			return b.init(cmd.Context(), strings.Join(args, ""))
		},
	}
	b.flags(cmd)
	return cmd
}

func (b *beginning) init(ctx context.Context, given string) error {
	domain, err := b.asking.ask(ctx, "Mail domain", "DOMAIN", given, scout.ThisMachine(ctx).Domain, config.CheckName)
	if err == nil && domain != "" {
		err = config.CheckName(domain)
	}
	if err == nil && domain == "" {
		err = b.asking.settled()
	}
	if err != nil {
		return err
	}
	domain = config.ASCII(domain)
	b.command = "init " + domain
	if err := b.look(ctx, []string{domain}); err != nil {
		return err
	}
	if err := b.decide(ctx); err != nil {
		return err
	}
	cfg, err := b.write()
	switch {
	case err != nil || b.print:
		return err
	case b.app.json:
		return b.printFound()
	}
	b.steps(cfg)
	return nil
}

// printFound prints what was found, for programs.
func (b *beginning) printFound() error {
	return printJSON(b.app.out, struct {
		Format string `json:"format"`
		File   string `json:"file"`
		scout.Found
	}{"mailpub/found/v1", b.app.configFile, b.found})
}

// decide asks what can't be seen. Everything that was found is a default.
func (b *beginning) decide(ctx context.Context) (err error) {
	c := &b.choices
	c.Receiver = b.app.receiverHere(draft.Suggest(b.found, *c).Site)
	ask := func(text, flag string, value *string, found func(draft.Choices) string, wrong func(string) error) {
		if err == nil {
			*value, err = b.asking.ask(ctx, text, flag, *value, found(draft.Suggest(b.found, *c)), wrong)
		}
	}
	ask("Name of the mail host", "--hostname", &c.Hostname, func(s draft.Choices) string { return s.Hostname }, config.CheckName)
	if s := draft.Suggest(b.found, *c); !s.Address.IsValid() {
		ask("Address of the mail server on the LAN", "--address", &b.address, func(draft.Choices) string { return "" }, rightAddress)
		c.Address, _ = netip.ParseAddr(b.address)
	}
	if draft.Suggest(b.found, *c).Public == "" {
		ask("Public IPv4 address, as the Internet sees it", "--public ADDRESS, as the Internet sees it", &c.Public, func(draft.Choices) string { return "" }, rightAddress)
	}
	ask("Who serves the DNS zone", "--provider", &c.Provider, func(s draft.Choices) string { return s.Provider }, rightProvider)
	if p, ok := providers.Lookup(c.Provider); ok && err == nil {
		err = b.decideSettings(ctx, p)
	}
	if s := b.found.Server; s.Kind == "" && s.Greeting != "" || len(s.Installed) > 1 { // else it is plain
		ask("Mail server", "--service", &c.Service, func(s draft.Choices) string { return s.Service }, rightServer)
	}
	var numbers string
	if len(c.Ports) > 0 {
		numbers = "given"
	}
	ask("Ports to forward to it", "--port", &numbers, func(s draft.Choices) string { return portList(s.Ports) }, func(s string) error { _, err := readPorts(s); return err })
	if err == nil && numbers != "given" {
		c.Ports, err = readPorts(numbers)
	}
	ask("Mailbox for postmaster's mail", "--postmaster", &c.Postmaster, func(s draft.Choices) string { return cmp.Or(s.Postmaster, "postmaster") }, config.CheckMailbox)
	if err == nil {
		err = b.asking.settled()
	}
	*c = draft.Suggest(b.found, *c)
	return err
}

// decideSettings asks for the settings of the provider that have no default of their own.
func (b *beginning) decideSettings(ctx context.Context, p zone.Provider) error {
	c := &b.choices
	suggested := draft.Suggest(b.found, *c).Settings
	if c.Settings == nil {
		c.Settings = map[string]string{}
	}
	for _, s := range p.Settings {
		if !s.Required {
			continue
		}
		text := fmt.Sprintf("%s: %s", p.Name, s.Help)
		wrong := func(string) error { return nil }
		if s.Secret {
			text += ", as a reference"
			wrong = func(v string) error {
				if config.IsReference(v) {
					return nil
				}
				return errors.New("want env:NAME, file:PATH or exec:COMMAND, so that the secret is not in the config")
			}
		}
		v, err := b.asking.ask(ctx, text, "--set "+s.Name+"=...", c.Settings[s.Name], suggested[s.Name], wrong)
		if err != nil {
			return err
		}
		c.Settings[s.Name] = v
	}
	return nil
}

func rightAddress(s string) error {
	if _, err := netip.ParseAddr(s); err != nil {
		return fmt.Errorf("%q is no address, want one like 10.10.10.10", s)
	}
	return nil
}

func rightProvider(s string) error { return config.OneOf(s, providerNames()) }

func portList(ports []scout.Port) string {
	var words []string
	for _, p := range ports {
		word := strconv.Itoa(int(p.Number))
		if p.Internal != 0 {
			word += ":" + strconv.Itoa(int(p.Internal))
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// readPorts reads ports with spaces or commas between them, each with ":INSIDE" behind it where
// the server's own is another.
func readPorts(s string) (ports []scout.Port, err error) {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' }) {
		outside, inside, two := strings.Cut(w, ":")
		n, err := strconv.ParseUint(outside, 10, 16)
		internal := n
		if two && err == nil {
			internal, err = strconv.ParseUint(inside, 10, 16)
		}
		if err != nil || n == 0 || internal == 0 {
			return nil, fmt.Errorf("%q is no port, want numbers from 1 to 65535, like 25 143, or 25:2525 where the server has another", w)
		}
		p := scout.Port{Number: uint16(n)}
		if internal != n {
			p.Internal = uint16(internal)
		}
		ports = append(ports, p)
	}
	return ports, nil
}
