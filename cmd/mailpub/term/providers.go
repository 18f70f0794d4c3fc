package term

import (
	"fmt"

	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

type ProviderJSON struct {
	Name     string        `json:"name"`
	Summary  string        `json:"summary"`
	Scopes   string        `json:"scopes,omitempty"`
	Limits   string        `json:"limits,omitempty"`
	Settings []SettingJSON `json:"settings"`
}

type SettingJSON struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
}

// ProviderData is what the JSON document of a provider holds.
func ProviderData(p zone.Provider) ProviderJSON {
	out := ProviderJSON{p.Name, p.Summary, p.Scopes, p.Limits.String(), []SettingJSON{}}
	for _, s := range p.Settings {
		out.Settings = append(out.Settings, SettingJSON{s.Name, s.Help, s.Default, s.Required,
			s.Secret})
	}
	return out
}

// ShowProviders lists the DNS providers.
func ShowProviders(u *UI) error {
	var list []ProviderJSON
	for _, p := range providers.All() {
		list = append(list, ProviderData(p))
	}

	if u.JSON {
		return u.PrintJSON(list)
	}

	table := NewTable(u.Out)
	for _, p := range list {
		fmt.Fprintf(table, "%s\t%s\n", u.Bold(p.Name), p.Summary)
	}

	if err := table.Flush(); err != nil {
		return err
	}

	_, err := fmt.Fprintln(u.Out, "\nmailpub providers NAME shows the settings of one.")
	return err
}

// ShowProvider prints the settings of a provider.
func ShowProvider(u *UI, p zone.Provider) error {
	if u.JSON {
		return u.PrintJSON(ProviderData(p))
	}

	fmt.Fprintf(u.Out, "%s: %s\n", u.Bold(p.Name), p.Summary)
	if p.Scopes != "" {
		fmt.Fprintf(u.Out, "\nCredentials: %s\n", u.Wrap(p.Scopes, 13))
	}

	if limits := p.Limits.String(); limits != "" {
		fmt.Fprintf(u.Out, "\nLimits: %s\n", u.Wrap(limits, 8))
	}

	if len(p.Settings) > 0 {
		fmt.Fprintln(u.Out, "\nSettings:")
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

		fmt.Fprintf(u.Out, "  %s  %s\n", u.Bold(Pad(s.Name, width)),
			u.Wrap(s.Help+note, width+4))
	}

	return nil
}
