package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

func (a *app) providersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "providers [NAME]",
		Short: "list the DNS providers, or the settings of one",
		Long: `Lists who can serve a zone (zones: provider: in the config). With a name: its
settings, and what its credentials must be allowed to do. Secret settings take a
reference, never the secret: env:NAME, file:PATH or exec:COMMAND.`,
		Example:           "  mailpub providers\n  mailpub providers rfc2136",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeProviders,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listProviders()
			}
			p, ok := providers.Lookup(args[0])
			if !ok {
				return fmt.Errorf("provider %w", config.OneOf(args[0], providerNames()))
			}
			return a.showProvider(p)
		},
	}
}

func providerNames() (names []string) {
	for _, p := range providers.All() {
		names = append(names, p.Name)
	}
	return names
}

func completeProviders(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, p := range providers.All() {
		names = append(names, cobra.CompletionWithDesc(p.Name, p.Summary))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

type providerJSON struct {
	Name     string        `json:"name"`
	Summary  string        `json:"summary"`
	Scopes   string        `json:"scopes,omitempty"`
	Limits   string        `json:"limits,omitempty"`
	Settings []settingJSON `json:"settings"`
}

type settingJSON struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
}

func providerData(p zone.Provider) providerJSON {
	out := providerJSON{p.Name, p.Summary, p.Scopes, p.Limits.String(), []settingJSON{}}
	for _, s := range p.Settings {
		out.Settings = append(out.Settings, settingJSON{s.Name, s.Help, s.Default, s.Required, s.Secret})
	}
	return out
}

func (a *app) listProviders() error {
	var list []providerJSON
	width := 0
	for _, p := range providers.All() {
		list = append(list, providerData(p))
		width = max(width, len(p.Name))
	}
	for _, p := range list {
		if !a.json {
			fmt.Fprintf(a.out, "%s  %s\n", a.look.bold(pad(p.Name, width)), p.Summary)
		}
	}
	if a.json {
		return printJSON(a.out, list)
	}
	_, err := fmt.Fprintln(a.out, "\nmailpub providers NAME shows the settings of one.")
	return err
}

func (a *app) showProvider(p zone.Provider) error {
	if a.json {
		return printJSON(a.out, providerData(p))
	}
	fmt.Fprintf(a.out, "%s: %s\n", a.look.bold(p.Name), p.Summary)
	if p.Scopes != "" {
		fmt.Fprintf(a.out, "\nCredentials: %s\n", a.look.wrap(p.Scopes, 13))
	}
	if limits := p.Limits.String(); limits != "" {
		fmt.Fprintf(a.out, "\nLimits: %s\n", a.look.wrap(limits, 8))
	}
	if len(p.Settings) > 0 {
		fmt.Fprintln(a.out, "\nSettings:")
	}
	width := 0
	for _, s := range p.Settings {
		width = max(width, len(s.Name))
	}
	for _, s := range p.Settings {
		note := ""
		switch {
		case s.Secret && s.Required:
			note = " (required, a reference)"
		case s.Secret:
			note = " (a reference)"
		case s.Required:
			note = " (required)"
		case s.Default != "":
			note = " (default " + s.Default + ")"
		}
		fmt.Fprintf(a.out, "  %s  %s\n", a.look.bold(pad(s.Name, width)), a.look.wrap(s.Help+note, width+4))
	}
	return nil
}
