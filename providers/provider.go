package providers

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Provider is a way to write a zone.
type Provider struct {
	Name    string
	Summary string // one line for a list
	// NameServers are what its name servers are called, "*" standing for any part of a name.
	NameServers []string
	Settings    []Setting
	Scopes      string // what the credentials must be allowed to do
	Manual      bool   // writes nothing: a person enters the records
	Limits      Limits

	check func(settings map[string]string) []SettingError
	open  func(o Options) (backend, error)
}

// Setting is one of a provider's settings.
type Setting struct {
	Name     string
	Help     string
	Default  string // "" for none
	Required bool
	Secret   bool // never printed; in the config a reference, not the value
}

// Options are what Open needs beside the provider's name.
type Options struct {
	Zone     string            // with or without its final dot; manual also takes "."
	TTL      time.Duration     // for records nobody gives another; zero is DefaultTTL
	Settings map[string]string // with secrets resolved

	// Resolver asks what is published; used by manual. Nil asks the system's servers.
	Resolver *Resolver
	// HTTPClient carries the calls of providers with a web interface. Nil is a client with
	// a deadline of its own.
	HTTPClient *http.Client
	Pool       *Pool        // shared by zones at the same name server; nil: nothing is shared or kept
	Logger     *slog.Logger // nil discards
}

func (o Options) setting(name string) string { return o.Settings[name] }

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
	if o.Zone == "" {
		return nil, fmt.Errorf("provider %s: no zone given", name)
	}
	o.Zone = mail.FQDN(o.Zone)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Resolver == nil {
		o.Resolver = &Resolver{}
	}
	if o.Pool == nil {
		o.Pool = &Pool{brief: true}
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	o.Settings = p.defaults(o.Settings)
	for _, e := range CheckSettings(name, o.Settings) {
		return nil, fmt.Errorf("zone %s: %w", o.Zone, e)
	}
	if why := p.Limits.RefuseTTL(o.TTL); why != "" {
		return nil, fmt.Errorf("zone %s: ttl %v: %s %s", o.Zone, o.TTL, name, why)
	}
	b, err := p.open(o)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", o.Zone, err)
	}
	ttl := int(o.TTL.Seconds())
	if p.Limits.NoTTL {
		ttl = -1
	}
	return &Zone{
		name: o.Zone, ttl: ttl, backend: b, log: o.Logger,
		provider: name, limits: p.Limits,
		pauses: []time.Duration{250 * time.Millisecond, time.Second},
	}, nil
}

func (p Provider) defaults(settings map[string]string) map[string]string {
	out := make(map[string]string, len(p.Settings))
	for _, s := range p.Settings {
		if s.Default != "" {
			out[s.Name] = s.Default
		}
	}
	for k, v := range settings {
		if v != "" || out[k] == "" {
			out[k] = v
		}
	}
	return out
}

func names(ps []Provider) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

// SettingError says what is wrong with one setting.
type SettingError struct {
	Setting string // "key_alg"
	Problem string // `unknown algorithm "hmac-sha265"`
	Want    string // "one of hmac-sha256, ..."
}

func (e SettingError) Error() string {
	return fmt.Sprintf("setting %q: %s; want %s", e.Setting, e.Problem, e.Want)
}

// CheckSettings says everything that is wrong with the settings of a provider, without
// asking anybody. The values of secret settings are not judged: they may be references.
// An unknown provider is reported under the setting "provider".
func CheckSettings(name string, settings map[string]string) []SettingError {
	p, ok := Lookup(name)
	if !ok {
		return []SettingError{{"provider", fmt.Sprintf("unknown provider %q%s", name, didYouMean(name, names(All()))),
			"one of " + strings.Join(names(All()), ", ")}}
	}
	var errs []SettingError
	var known []string
	for _, s := range p.Settings {
		known = append(known, s.Name)
		if s.Required && settings[s.Name] == "" {
			errs = append(errs, SettingError{s.Name, "missing", s.Help})
		}
	}
	for _, k := range sortedKeys(settings) {
		if !contains(known, k) {
			want := "no settings"
			if len(known) > 0 {
				want = "one of " + strings.Join(known, ", ")
			}
			errs = append(errs, SettingError{k, "unknown setting" + didYouMean(k, known), want})
		}
	}
	if p.check != nil {
		errs = append(errs, p.check(settings)...)
	}
	return errs
}
