package providers

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func TestCheckSettings(t *testing.T) {
	good := func(with ...string) map[string]string {
		s := map[string]string{"server": "192.0.2.53", "key_name": "mailpub.", "key": "env:KEY"}
		for i := 0; i < len(with); i += 2 {
			s[with[i]] = with[i+1]
		}
		return s
	}

	tests := []struct {
		name, provider string
		settings       map[string]string
		want           []string // setting: part of the error
	}{
		{"all is well", "rfc2136", good(), nil},
		{"a secret is not judged", "rfc2136", good("key", "file:no base64 !"), nil},
		{"algorithms in any spelling", "rfc2136", good("key_alg", "HMAC-SHA512."), nil},
		{"IPv6 with port", "rfc2136", good("server", "[2001:db8::53]:5353"), nil},
		{"IPv6 without port", "rfc2136", good("server", "2001:db8::53"), nil},
		{"nothing given", "rfc2136", nil, []string{"server: missing", "key_name: missing", "key: missing"}},
		{"misspelt", "rfc2136", good("keyname", "x"), []string{`keyname: unknown setting, did you mean "key_name"`}},
		{"not near to anything", "rfc2136", good("colour", "x"), []string{"colour: unknown setting; want one of server, key_name, key_alg, key"}},
		{"port out of range", "rfc2136", good("server", "ns:70000"), []string{`server: "ns:70000" has no valid port`}},
		{"port 0", "rfc2136", good("server", "ns:0"), []string{"has no valid port"}},
		{"a URL", "rfc2136", good("server", "https://ns.example/"), []string{"server: "}},
		{"unknown algorithm", "rfc2136", good("key_alg", "hmac-sha265"), []string{`key_alg: unknown algorithm "hmac-sha265", did you mean "hmac-sha256"`}},
		{"no name", "rfc2136", good("key_name", "a key"), []string{`key_name: "a key" is no key name`}},
		{"several at once", "rfc2136", map[string]string{"server": "ns:x", "key_alg": "rot13"}, []string{"key_name: missing", "key: missing", "server: ", "key_alg: "}},
		{"cloudflare", "cloudflare", map[string]string{"token": "env:X"}, nil},
		{"cloudflare without token", "cloudflare", map[string]string{"api_token": "env:X"}, []string{"token: missing", "api_token: unknown setting"}},
		{"powerdns", "powerdns", map[string]string{"key": "env:X", "url": "https://ns.example:8081"}, nil},
		{"powerdns at no address", "powerdns", map[string]string{"key": "env:X", "url": "ns.example:8081"}, []string{`url: "ns.example:8081" is no address of an API`}},
		{"manual takes none", "manual", map[string]string{"server": "x"}, []string{"server: unknown setting; want no settings"}},
		{"unknown provider", "cloudfare", nil, []string{`provider: unknown provider "cloudfare", did you mean "cloudflare"; want one of rfc2136, powerdns, cloudflare`}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			errs := CheckSettings(test.provider, test.settings)
			if len(errs) != len(test.want) {
				t.Errorf("got %q, want %q", errs, test.want)
			}

			for _, want := range test.want {
				if !slices.ContainsFunc(errs, func(e zone.SettingError) bool {
					return strings.Contains(e.Setting+": "+e.Problem+"; want "+e.Want, want) &&
						e.Want != ""
				}) {
					t.Errorf("got %q, want ... %s ...", errs, want)
				}
			}
		})
	}
}

// Every provider of the list can be described, and opened with what it requires.
func TestAll(t *testing.T) {
	for _, p := range All() {
		if got, ok := Lookup(p.Name); !ok || got.Summary == "" || got.Scopes == "" {
			t.Errorf("%s: %+v", p.Name, got)
		}

		settings := map[string]string{}
		for _, s := range p.Settings {
			if s.Help == "" {
				t.Errorf("%s: setting %s is not explained", p.Name, s.Name)
			}
			if s.Required {
				settings[s.Name] = "c2VjcmV0"
			}
		}

		d, err := Open(p.Name, zone.Options{Zone: "Example.ORG", Settings: settings})
		if err != nil || d.Kind() != "dns" {
			t.Errorf("%s: %v %v", p.Name, d, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		provider string
		o        zone.Options
		want     string
	}{
		{"rfc2163", zone.Options{Zone: "example.org"}, `unknown provider "rfc2163", did you mean "rfc2136"`},
		{"manual", zone.Options{}, "no zone given"},
		{"rfc2136", zone.Options{Zone: "example.org", Settings: map[string]string{"server": "ns", "key_name": "k", "key": "ß"}}, `setting "key": not base64`},
		{"rfc2136", zone.Options{Zone: "example.org"}, `zone example.org.: setting "server": missing`},
		{"desec", zone.Options{Zone: "example.org", TTL: time.Minute, Settings: map[string]string{"token": "x"}}, "ttl 1m0s: desec takes none under 1h"},
		{"cloudflare", zone.Options{Zone: "example.org", TTL: time.Second, Settings: map[string]string{"token": "x"}}, "cloudflare takes none under 1m"},
	}

	for _, test := range tests {
		if _, err := Open(test.provider, test.o); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.provider, err, test.want)
		}
	}
}

func TestKeysOutsideTheZone(t *testing.T) {
	z, err := Open("rfc2136", zone.Options{
		Zone: zonetest.Zone,
		Settings: map[string]string{"server": "127.0.0.1:1", "key_name": "mailpub.",
			"key": zonetest.Secret},
	})

	if err != nil {
		t.Fatal(err)
	}

	for _, k := range []plan.Key{
		mail.DNSKey("badnomeazienda.it", "A"),
		mail.DNSKey("it", "MX"),
		{Kind: "forward", Name: "tcp/25"},
		mail.TaggedTXT(zonetest.Zone, "v=spf1"),
	} {
		if k.Name == "nomeazienda.it. TXT v=spf1" {
			k.Name = "nomeazienda.it. MX v=spf1"
		}
		if _, err := z.Read(t.Context(), []plan.Key{k}); err == nil ||
			strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%v: %v", k, err)
		}
	}
}

// The page for people names every provider, and its limits as they are.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}

	for _, p := range All() {
		row := regexp.MustCompile("(?m)^\\| " + p.Name + " \\|.*$").FindString(string(page))
		if !strings.Contains(row, "| "+p.Limits.String()+" |") {
			t.Errorf("docs/providers.md has no row for %s with its limits, %q: %s", p.Name,
				p.Limits, row)
		}

		if !strings.Contains(string(page), "| "+p.Name+" | "+p.Scopes+" |") {
			t.Errorf("docs/providers.md does not have the scopes of %s: %q", p.Name, p.Scopes)
		}
	}
}
