package providers

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/cloudflare"
	"github.com/mailpub/mailpub/providers/desec"
	"github.com/mailpub/mailpub/providers/digitalocean"
	"github.com/mailpub/mailpub/providers/he"
	"github.com/mailpub/mailpub/providers/hetzner"
	"github.com/mailpub/mailpub/providers/inwx"
	"github.com/mailpub/mailpub/providers/ionos"
	"github.com/mailpub/mailpub/providers/manual"
	"github.com/mailpub/mailpub/providers/ovh"
	"github.com/mailpub/mailpub/providers/porkbun"
	"github.com/mailpub/mailpub/providers/powerdns"
	"github.com/mailpub/mailpub/providers/rfc2136"
	"github.com/mailpub/mailpub/providers/route53"
	"github.com/mailpub/mailpub/providers/scaleway"
	"github.com/mailpub/mailpub/providers/zone"
)

// All returns the providers, in the order of a list for people.
func All() (all []zone.Provider) {
	for _, describe := range descriptions() {
		all = append(all, describe())
	}
	return all
}

func descriptions() []func() zone.Provider {
	return []func() zone.Provider{
		rfc2136.Provider, powerdns.Provider,
		cloudflare.Provider, desec.Provider, digitalocean.Provider, he.Provider,
		hetzner.Provider, inwx.Provider,
		ionos.Provider, ovh.Provider, porkbun.Provider, route53.Provider, scaleway.Provider,
		manual.Provider,
	}
}

// Lookup returns the provider of that name.
func Lookup(name string) (zone.Provider, bool) {
	for _, describe := range descriptions() {
		if p := describe(); p.Name == name {
			return p, true
		}
	}
	return zone.Provider{}, false
}

// Open returns the driver of a zone. It asks nobody: what is wrong with the settings is
// said here, what is wrong with the server or the account by the first Read.
func Open(name string, o zone.Options) (plan.Driver, error) {
	p, ok := Lookup(name)
	if !ok {
		return nil, fmt.Errorf("zone %s: unknown provider %q%s", o.Zone, name,
			zone.DidYouMean(name, names(All())))
	}

	z, err := zone.Open(p, o)
	if err != nil {
		return nil, err
	}

	return z, nil
}

func names(ps []zone.Provider) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

// CheckSettings says everything that is wrong with the settings of a provider, without
// asking anybody. The values of secret settings are not judged: they may be references.
// An unknown provider is reported under the setting "provider".
func CheckSettings(name string, settings map[string]string) []zone.SettingError {
	p, ok := Lookup(name)
	if !ok {
		return []zone.SettingError{{
			Setting: "provider",
			Problem: fmt.Sprintf("unknown provider %q%s", name, zone.DidYouMean(name, names(All()))),
			Want:    "one of " + strings.Join(names(All()), ", "),
		}}
	}

	return p.CheckSettings(settings)
}
