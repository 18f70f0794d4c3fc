package providers

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// All returns the providers, in the order of a list for people.
func All() (all []Provider) {
	for _, describe := range descriptions() {
		all = append(all, describe())
	}
	return all
}

func descriptions() []func() Provider {
	return []func() Provider{
		rfc2136Provider, powerdnsProvider,
		cloudflareProvider, desecProvider, digitaloceanProvider, heProvider, hetznerProvider, inwxProvider,
		ionosProvider, ovhProvider, porkbunProvider, route53Provider, scalewayProvider,
		manualProvider,
	}
}

// Lookup returns the provider of that name.
func Lookup(name string) (Provider, bool) {
	for _, describe := range descriptions() {
		if p := describe(); p.Name == name {
			return p, true
		}
	}
	return Provider{}, false
}

// Open returns the driver of a zone. It asks nobody: what is wrong with the settings is
// said here, what is wrong with the server or the account by the first Read.
func Open(name string, o Options) (plan.Driver, error) {
	p, ok := Lookup(name)
	if !ok {
		return nil, fmt.Errorf("zone %s: unknown provider %q%s", o.Zone, name, didYouMean(name, names(All())))
	}
	z, err := openZone(p, o)
	if err != nil {
		return nil, err
	}
	return z, nil
}

func names(ps []Provider) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

// CheckSettings says everything that is wrong with the settings of a provider, without
// asking anybody. The values of secret settings are not judged: they may be references.
// An unknown provider is reported under the setting "provider".
func CheckSettings(name string, settings map[string]string) []SettingError {
	p, ok := Lookup(name)
	if !ok {
		return []SettingError{{
			Setting: "provider",
			Problem: fmt.Sprintf("unknown provider %q%s", name, didYouMean(name, names(All()))),
			Want:    "one of " + strings.Join(names(All()), ", "),
		}}
	}
	return p.checkSettings(settings)
}
