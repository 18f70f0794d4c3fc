package zone

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
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
	Rate        Rate // of calls to an account; zero: not known

	Check   func(settings map[string]string) []SettingError
	Connect func(o Options) (Backend, error)
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
	Resolver *resolver.Resolver
	// Nameservers are the zone's authoritative servers, host:port, where they are not to be
	// found by delegation.
	Nameservers []string
	// HTTPClient carries the calls of providers with a web interface. Nil is a client with
	// a deadline of its own.
	HTTPClient *http.Client
	// Budgets returns the budget of an account, the same one for all zones of it. Nil: calls are not
	// kept apart.
	Budgets func(Account) Budget
	Shared  *Shared      // with the other zones of a run; nil: nothing is shared or kept
	Logger  *slog.Logger // nil discards

	budget Budget // of the account of Settings; nil for none
}

// Budget is the one of the account; nil for none.
func (o Options) Budget() Budget { return o.budget }

// Servers are the Nameservers by the zone's name, nil where there are none.
func (o Options) Servers() map[string][]string {
	if len(o.Nameservers) == 0 {
		return nil
	}
	return map[string][]string{o.Zone: o.Nameservers}
}

func (o Options) Setting(name string) string { return o.Settings[name] }

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

// SettingError says what is wrong with one setting.
type SettingError struct {
	Setting string // "key_alg"
	Problem string // `unknown algorithm "hmac-sha265"`
	Want    string // "one of hmac-sha256, ..."
}

func (e SettingError) Error() string {
	return fmt.Sprintf("setting %q: %s; want %s", e.Setting, e.Problem, e.Want)
}

// Open returns the driver of a zone at a provider. It asks nobody: what is wrong with the
// settings is said here, what is wrong with the server or the account by the first Read.
func Open(p Provider, o Options) (*Zone, error) {
	if o.Zone == "" {
		return nil, fmt.Errorf("provider %s: no zone given", p.Name)
	}

	o.Zone = mail.FQDN(o.Zone)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	if o.Resolver == nil {
		o.Resolver = &resolver.Resolver{}
	}

	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}

	o.Settings = p.defaults(o.Settings)
	for _, e := range p.CheckSettings(o.Settings) {
		return nil, fmt.Errorf("zone %s: %w", o.Zone, e)
	}

	if why := p.Limits.RefuseTTL(o.TTL); why != "" {
		return nil, fmt.Errorf("zone %s: ttl %v: %s %s", o.Zone, o.TTL, p.Name, why)
	}

	o.HTTPClient = p.scrubbing(o)
	if o.Budgets != nil {
		o.budget = o.Budgets(p.account(o.Settings))
	}

	b, err := p.Connect(o)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", o.Zone, err)
	}

	ttl := int(o.TTL.Seconds())
	if p.Limits.NoTTL {
		ttl = -1
	}

	return &Zone{
		Name:        o.Zone,
		ttl:         ttl,
		Backend:     b,
		log:         o.Logger,
		provider:    p.Name,
		manual:      p.Manual,
		limits:      p.Limits,
		resolver:    o.Resolver,
		nameservers: o.Servers(),
		Pauses:      []time.Duration{250 * time.Millisecond, time.Second},
	}, nil
}

// CheckSettings says everything that is wrong with settings, without asking anybody. The values
// of secret settings are not judged: they may be references.
func (p Provider) CheckSettings(settings map[string]string) (errs []SettingError) {
	var known []string
	for _, s := range p.Settings {
		known = append(known, s.Name)
		if s.Required && settings[s.Name] == "" {
			errs = append(errs, SettingError{s.Name, "missing", s.Help})
		}
	}

	for _, k := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(known, k) {
			want := "no settings"
			if len(known) > 0 {
				want = "one of " + strings.Join(known, ", ")
			}
			errs = append(errs, SettingError{k, "unknown setting" + DidYouMean(k, known), want})
		}
	}

	if p.Check != nil {
		errs = append(errs, p.Check(settings)...)
	}

	return errs
}
