package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

// Init looks at this machine, the router, the domain's DNS and the mail server, asks what it can't
// know, and writes a config. given is the mail domain, "" to ask for it.
func Init(ctx context.Context, o Options, given string) error {
	b, err := start(o)
	if err != nil {
		return err
	}

	domain, err := b.questions.Ask(ctx, "Mail domain", "DOMAIN", given,
		scout.ThisMachine(ctx).Domain, config.CheckName)

	if err == nil && domain != "" {
		err = config.CheckName(domain)
	}

	if err == nil && domain == "" {
		err = b.questions.Complete()
	}

	if err != nil {
		return err
	}

	domain = config.ASCII(domain)
	b.command = "init " + domain
	if err := b.detect(ctx, []string{domain}); err != nil {
		return err
	}
	if err := b.decide(ctx); err != nil {
		return err
	}

	cfg, err := b.write()
	switch {
	case err != nil || b.Print:
		return err
	case b.UI.JSON:
		return b.printFound()
	}

	b.printNextSteps(cfg)
	return nil
}

// printFound prints what was found, for programs.
func (b *wizard) printFound() error {
	return b.UI.PrintJSON(struct {
		Format string `json:"format"`
		File   string `json:"file"`
		scout.Result
	}{"mailpub/found/v1", b.UI.ConfigFile, b.found})
}

// decide asks what can't be seen. Everything that was found is a default.
func (b *wizard) decide(ctx context.Context) (err error) {
	c := &b.Choices
	c.Receiver = b.receiverHere(draft.Suggest(b.found, *c).Site)
	ask := func(text, flag string, value *string, found func(draft.Choices) string, wrong func(string) error) {
		if err == nil {
			*value, err = b.questions.Ask(ctx, text, flag, *value,
				found(draft.Suggest(b.found, *c)), wrong)
		}
	}

	ask("Name of the mail host", "--hostname", &c.Hostname, func(s draft.Choices) string {
		return s.Hostname
	}, config.CheckName)

	if s := draft.Suggest(b.found, *c); !s.Address.IsValid() {
		ask("Address of the mail server on the LAN", "--address", &b.Address,
			func(draft.Choices) string {
				return ""
			}, rightAddress)
		c.Address, _ = netip.ParseAddr(b.Address)
	}

	if draft.Suggest(b.found, *c).Public == "" {
		ask("Public IPv4 address, as the Internet sees it",
			"--public ADDRESS, as the Internet sees it", &c.Public, func(draft.Choices) string {
				return ""
			}, rightAddress)
	}

	if err == nil {
		c.Provider, err = b.questions.Choose(ctx, "Who serves the DNS zone", "--provider",
			c.Provider,
			draft.Suggest(b.found, *c).Provider, providerChoices(), rightProvider)
	}

	if p, ok := providers.Lookup(c.Provider); ok && err == nil {
		err = b.decideSettings(ctx, p)
	}

	if s := b.found.Server; s.Kind == "" && s.Greeting != "" || len(s.Installed) > 1 { // else it is plain
		if err == nil {
			c.Service, err = b.questions.Choose(ctx, "Mail server", "--service", c.Service,
				draft.Suggest(b.found, *c).Service, serverChoices(), rightServer)
		}
	}

	var numbers string
	if len(c.Ports) > 0 {
		numbers = "given"
	}

	ask("Ports to forward to it", "--port", &numbers, func(s draft.Choices) string {
		return portList(s.Ports)
	}, func(s string) error {
		_, err := readPorts(s)
		return err
	})

	if err == nil && numbers != "given" {
		c.Ports, err = readPorts(numbers)
	}

	ask("Mailbox for postmaster's mail", "--postmaster", &c.Postmaster,
		func(s draft.Choices) string {
			return cmp.Or(s.Postmaster, "postmaster")
		}, config.CheckMailbox)

	b.askPolicies(ask)
	if err == nil {
		err = b.questions.Complete()
	}

	*c = draft.Suggest(b.found, *c)
	return err
}

// askPolicies asks for what other servers want of a mail domain. Nothing of it can be detected. With --yes reports
// are asked for, and no certificate: an authority outside is named only by a person.
func (b *wizard) askPolicies(ask func(text, flag string, value *string, found func(draft.Choices) string, wrong func(string) error)) {
	c := &b.Choices
	if draft.Suggest(b.found, *c).Reports != "none" { // else the domain asks for them already
		ask("Address for DMARC and TLS reports (none: no reports)", "--reports", &c.Reports,
			func(s draft.Choices) string { return s.Reports }, config.CheckReports)
	}

	if suggested := draft.Suggest(b.found, *c); suggested.Service != "receiver" {
		ask("Selector of the DKIM key that the server signs with (none: it does not sign)", "--dkim", &c.DKIM,
			func(s draft.Choices) string { return s.DKIM }, config.CheckSelector)
		return
	}

	if b.Yes && c.Certificate == "" {
		c.Certificate = "none"
	}

	ask("Certificate for STARTTLS: acme (Let's Encrypt, over the zone) or none", "--certificate", &c.Certificate,
		func(s draft.Choices) string { return s.Certificate }, rightCertificate)
}

func rightCertificate(s string) error { return config.OneOf(s, []string{"acme", "none"}) }

// decideSettings asks for the settings of the provider that have no default of their own.
func (b *wizard) decideSettings(ctx context.Context, p zone.Provider) error {
	c := &b.Choices
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

		v, err := b.questions.Ask(ctx, text, "--set "+s.Name+"=...", c.Settings[s.Name],
			suggested[s.Name], wrong)

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

// ProviderNames are the DNS providers that a config can name.
func ProviderNames() (names []string) {
	for _, p := range providers.All() {
		names = append(names, p.Name)
	}
	return names
}

// providerChoices are the providers, and what each is for.
func providerChoices() (list []term.Choice) {
	for _, p := range providers.All() {
		list = append(list, term.Choice{Name: p.Name, Text: p.Summary})
	}
	return list
}

// serverChoices are the mail servers, and what mailpub does with each.
func serverChoices() (list []term.Choice) {
	about := map[string]string{
		"receiver": "the bundled receiver: mailpub takes the mail itself",
		"postfix":  "Postfix, with or without Dovecot, on this machine",
		"mdaemon":  "MDaemon, over its XML API or by its files",
		"exim":     "Exim: mailpub tests it, and lists what to set",
		"manual":   "another server: mailpub tests it, and lists what to set",
	}

	for _, name := range ServerNames() {
		list = append(list, term.Choice{
			Name: name,
			Text: cmp.Or(about[name], "tested over SMTP; mailpub lists what to set"),
		})
	}

	return list
}

func rightProvider(s string) error { return config.OneOf(s, ProviderNames()) }

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
	for _, w := range strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == ','
	}) {
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
