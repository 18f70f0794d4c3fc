package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
)

// made is the line at the head of a page that the code makes.
const made = "<!-- Made from the code by `make docs`. -->\n\n"

// TestReference compares the pages under docs/reference with what the code makes of them.
func TestReference(t *testing.T) {
	for name, text := range map[string]string{
		"commands.md": commandsPage(), "config.md": configReference(),
		"providers.md": providersPage(), "exit-codes.md": exitCodesPage(),
		"json.md": jsonPage(t),
	} {
		t.Run(name, func(t *testing.T) {
			generated(t, filepath.Join("../../docs/reference", name), []byte(text))
		})
	}
}

// commands are all of them, parents first, without what cobra brings along.
func commands() (all []*cobra.Command) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}

	root := rootCommand(newApp(nil, io.Discard, io.Discard))
	root.InitDefaultCompletionCmd()
	walk(root)

	return all
}

func commandsPage() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" + made + "`mailpub help COMMAND` prints these pages. `mailpub completion SHELL` makes your shell complete them:\n" +
		"bash, zsh, fish or powershell.\n")

	for _, c := range commands() {
		if c.Name() == "config" {
			continue
		}

		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```\n%s\n```\n", c.CommandPath(), c.Short,
			c.UseLine())

		if c.Long != "" {
			fmt.Fprintf(&b, "\n%s\n", c.Long)
		}

		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n",
				strings.TrimRight(regexp.MustCompile(`(?m)^  `).ReplaceAllString(c.Example,
					""), "\n"))
		}

		flags := c.LocalFlags().FlagUsagesWrapped(100)
		if flags != "" {
			fmt.Fprintf(&b, "\n```\n%s```\n", flags)
		}
	}

	return b.String()
}

func configReference() string {
	var b strings.Builder
	b.WriteString("# The config\n\n" + made +
		"`mailpub help config` prints this page, `mailpub explain KEY` one field of it. Editors know the\n" +
		"fields by [mailpub.schema.json](../../examples/mailpub.schema.json).\n\n```\n" +
		config.Help() + "\n```\n\n" +
		"| field | takes | |\n|---|---|---|\n")

	cell := strings.NewReplacer("|", `\|`, "<", "&lt;")
	for _, k := range config.Keys() {
		takes := config.FieldKind(k.Path)
		if words := config.Words(k.Path); words != nil {
			takes = strings.Join(words, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Path, cell.Replace(takes),
			cell.Replace(k.Text))
	}

	return b.String()
}

func providersPage() string {
	var b strings.Builder
	b.WriteString("# DNS providers\n\n" + made +
		"`mailpub providers NAME` prints one of these. [providers.md](../providers.md) says what each was tried\n" +
		"against, and what it does not take.\n")

	for _, p := range providers.All() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", p.Name, strings.TrimSuffix(p.Summary, "."))
		if p.Scopes != "" {
			fmt.Fprintf(&b, "\nCredentials: %s.\n", strings.TrimSuffix(p.Scopes, "."))
		}

		if limits := p.Limits.String(); limits != "" {
			fmt.Fprintf(&b, "\nLimits: %s.\n", limits)
		}

		if len(p.NameServers) > 0 {
			fmt.Fprintf(&b, "\nIts name servers: `%s`.\n", strings.Join(p.NameServers, "`, `"))
		}

		if len(p.Settings) == 0 {
			continue
		}

		b.WriteString("\n| setting | | default |\n|---|---|---|\n")
		for _, s := range p.Settings {
			note := s.Help
			if s.Secret {
				note += "; a reference"
			}

			if s.Required {
				note += "; required"
			}

			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, note, s.Default)
		}
	}

	return b.String()
}

// exitCode is where a command's help says what it exits with.
var exitCode = regexp.MustCompile(`(?s)Exit code: (.*?)(?:\n\n|$)`)

func exitCodesPage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Exit codes\n\n%s| code | means |\n|---|---|\n| %d | done; nothing differs, no check fails |\n"+
		"| %d | it could not be done, or not be found out |\n| %d | it was done, and the answer is no: a difference, a failed check |\n| %d | stopped by Ctrl-C or SIGTERM |\n\n"+
		"| command | exits with |\n|---|---|\n", made, exitOK, exitFailed, exitDiffer,
		exitStopped)

	for _, c := range commands() {
		if m := exitCode.FindStringSubmatch(c.Long); m != nil {
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.CommandPath(),
				strings.Join(strings.Fields(m[1]), " "))
		}
	}

	return b.String() + "\nEvery other command exits with 0 when it did what it was told, else with 1.\n"
}

// jsonPage shows what --json prints, by the types that print it.
func jsonPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# JSON\n\n" + made + "With `--json` standard output holds JSON alone, and nothing else there; progress and logs go to standard\n" +
		"error. Fields may be added; those that are there keep their names and meanings. `format` changes when\n" +
		"they do not.\n")

	show := func(title, text string, v any) {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		out.Write(data)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```json\n%s\n```\n", title, text, out.String())
	}

	change := plan.Change{
		Target: plan.ParseTarget("zone nomeazienda.it"),
		Key:    mail.DNSKey("nomeazienda.it", "MX"),
		Action: plan.Create,
		Stage:  plan.StageMail,
		After:  []string{"10 mail.nomeazienda.it. ttl 3600"},
		Reason: "mail for the domain goes to the mail host",
	}

	check := plan.Check{
		ID:      "mx.expected",
		Subject: plan.About("nomeazienda.it"),
		Status:  plan.Fail,
		Want:    "10 mail.nomeazienda.it.",
		Got:     "none",
		Hint:    "run mailpub apply",
		Ref:     "RFC 5321 section 5.1",
	}

	show("mailpub plan, apply, destroy", "`action` is create, update, delete, manual or unreadable; `before` and `after` are the canonical text, a value a line.\n"+
		"A plan that is saved with `-o` is the same, and can be applied later. `scope` is there where --only or --exclude narrowed it\ndown: its parts, and with a minus what it is without.",
		&plan.Plan{
			Site:      "nomeazienda",
			Changes:   []plan.Change{change},
			Unchanged: 15,
		})

	show("errors", "In place of a command's own document, where it fails before it has printed that. `mistakes` are those of the config; `next`\n"+
		"says what to do, where that is known.",
		term.Failure{
			Format:   term.ErrorFormat,
			Error:    `mailpub.yaml:4: server.address: "127.0.0" is not an address`,
			Mistakes: []term.ConfigError{{File: "mailpub.yaml", Line: 4, Field: "server.address", Text: `"127.0.0" is not an address`}},
			Exit:     exitFailed,
		})

	show("mailpub verify", "`status` is pass, warn, fail or skip; `unused` marks a pass of something that the site does not use (`summary.unused` counts these, which are in `pass` too); `cause` names the check that this one follows from.",
		plan.Report{
			Site:   "nomeazienda",
			Checks: []plan.Check{check},
		})

	show("mailpub drift", "As verify, with the changes that a plan would make.", plan.Report{
		Site:    "nomeazienda",
		Checks:  []plan.Check{check},
		Changes: []plan.Change{change},
		Drift:   true,
	})

	show("mailpub init, import", "What was found.", scout.Result{
		Machine: scout.Machine{
			Name:    "mail.nomeazienda.it",
			Domain:  "nomeazienda.it",
			Address: netip.MustParseAddr("10.10.10.10"),
		},
		Router: scout.Router{Report: nat.Report{
			Device:   "router at http://10.10.10.1:5000/rootDesc.xml",
			Protocol: "upnp",
			WAN:      nat.WANAddress{Address: netip.MustParseAddr("2.2.2.2"), Kind: "public"},
		}},
		DNS: scout.DNS{Domains: []scout.Domain{{Name: "nomeazienda.it", Zone: scout.Zone{Name: "nomeazienda.it", Nameservers: []string{"ns.nomeazienda.it"}}}}},
		Server: scout.Server{
			Address: netip.MustParseAddr("10.10.10.10"),
			Here:    true,
			Silent:  "connection refused",
		},
	})

	p, _ := providers.Lookup("desec")
	show("mailpub providers NAME", "Without a name, a list of these.", term.ProviderData(p))
	return b.String()
}
