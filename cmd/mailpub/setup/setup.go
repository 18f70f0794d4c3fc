// Package setup writes a config file: of what it detects and asks for (Init), or of a mail server that
// works already (Import).
//
// What is detected is in scout, how a config is written in draft. setup decides what to ask, and says
// what to do next.
package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Options are what init and import have in common.
type Options struct {
	UI     *term.UI // its config file is the one to write
	Logger *slog.Logger
	Site   site.Options // for the plan of what was imported

	Choices  draft.Choices     // what flags have decided
	Address  string            // of the mail server on the LAN; "" for this machine's
	Ports    []string          // PORT, or PORT:INSIDE
	Settings map[string]string // of the provider

	Yes   bool // take what was found
	Force bool // replace an existing config file
	Print bool // print the config instead of writing it
}

// wizard looks, asks, and writes a config file.
type wizard struct {
	Options
	command   string // "init nomeazienda.it", as the file names it
	found     scout.Result
	questions term.Questions
}

// start returns a wizard, after it has seen that the file may be written.
func start(o Options) (*wizard, error) {
	b := &wizard{Options: o, questions: term.Questions{UI: o.UI, Yes: o.Yes}}
	return b, b.prepare()
}

// prepare sees that the file may be written, and reads the flags that are no plain text.
func (b *wizard) prepare() error {
	u := b.UI
	b.Choices.Settings = b.Settings
	if ext := strings.ToLower(filepath.Ext(u.ConfigFile)); ext != ".yaml" && ext != ".yml" &&
		!b.Print {
		return fmt.Errorf("-c is %q, want a name that ends in .yaml: the config is written as YAML",
			u.ConfigFile)
	}
	if _, err := os.Stat(u.ConfigFile); err == nil && !b.Force && !b.Print {
		return fmt.Errorf("%s exists: mailpub%s plan uses it, --force replaces it, -c names another",
			u.ConfigFile, u.ConfigFlag())
	}

	if b.Address != "" {
		addr, err := netip.ParseAddr(b.Address)
		if err != nil {
			return fmt.Errorf("--address is %q, want the server's on the LAN, like 10.10.10.10",
				b.Address)
		}
		b.Choices.Address = addr
	}

	if err := b.checkPolicies(); err != nil {
		return err
	}

	var err error
	b.Choices.Ports, err = readPorts(strings.Join(b.Ports, " "))
	return err
}

// checkPolicies checks the flags that stand for questions.
func (b *wizard) checkPolicies() error {
	c := b.Choices
	for _, f := range []struct {
		flag, value string
		check       func(string) error
	}{
		{"--reports", c.Reports, config.CheckReports},
		{"--dkim", c.DKIM, config.CheckSelector},
		{"--certificate", c.Certificate, rightCertificate},
	} {
		if f.value == "" {
			continue
		}
		if err := f.check(f.value); err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
	}

	return nil
}

// detect looks at everything about these domains, and shows it.
func (b *wizard) detect(ctx context.Context, domains []string) error {
	u := b.UI
	c := &b.Choices
	o := scout.Options{
		Domains:     domains,
		Host:        c.Hostname,
		Address:     c.Address,
		Resolver:    &resolver.Resolver{Servers: c.Resolvers},
		Nameservers: c.Nameservers,
		Egress:      c.Egress,
		NoRouter:    c.Protocol == "manual" || c.Protocol == "none",
	}

	o.Router.Protocol = c.Protocol
	o.Router.URL = c.URL
	o.Router.Logger = b.Logger
	o.Ports = c.Ports

	if c.Gateway != "" {
		addr, err := netip.ParseAddr(c.Gateway)
		if err != nil {
			return fmt.Errorf("--gateway is %q, want the router's address on the LAN, like 192.168.1.1",
				c.Gateway)
		}
		o.Router.Gateway = addr
	}

	fmt.Fprintln(u.Err, u.Dim("Checking this machine, the router, DNS and the mail server ..."))
	var err error
	if b.found, err = scout.Detect(ctx, o); err != nil {
		return err
	}

	if !u.JSON && !b.Print {
		term.ShowFound(u, b.found)
	}

	return nil
}

// write makes the config of what was found and decided, sees that it is one, and writes it.
func (b *wizard) write() (*config.Config, error) {
	u := b.UI
	d := draft.From(b.found, b.Choices)
	d.How = "mailpub " + b.command
	d.Schema = schema.ID

	if b.packaged() {
		d.State = unit.PackageState
		d.Maildir = unit.PackageState + "/mail"
		d.User = unit.PackageReceiver
	}

	text, err := d.YAML()
	if err != nil {
		return nil, err
	}

	cfg, err := config.Parse(u.ConfigFile, text)
	if err != nil {
		var problems config.Errors
		if errors.As(err, &problems) {
			return nil, fmt.Errorf("cannot make a config from these values: %s",
				strings.ReplaceAll(problems.Error(), "\n", "; "))
		}
		return nil, err
	}

	if b.Print {
		_, err := u.Out.Write(text)
		return cfg, err
	}

	if err := durable.Replace(u.ConfigFile, text); err != nil {
		return nil, fmt.Errorf("the config was not written: %w", err)
	}

	return cfg, nil
}

// receiverHere reports whether the bundled receiver of a site has been set up beside the config.
func (b *wizard) receiverHere(name string) bool {
	state := config.DefaultState
	if b.packaged() {
		state = unit.PackageState
	}

	_, err := os.Stat(site.SettingsPath(&config.Config{
		File:  b.UI.ConfigFile,
		State: state,
		Site:  name,
	}))

	return err == nil
}

// rightServer returns an error unless a word is a kind of mail server.
func rightServer(s string) error { return config.OneOf(s, ServerNames()) }

// ServerNames are the kinds of mail servers that a config can name.
func ServerNames() (names []string) {
	for _, t := range config.ServerTypes() {
		names = append(names, t.Name)
	}
	return names
}
