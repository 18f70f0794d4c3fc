package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
)

// maxTTL is the longest TTL that a config may give: what is wrong lives that long.
const maxTTL = 7 * 24 * time.Hour

func badTTL(d time.Duration) bool {
	return d < time.Second || d > maxTTL || d%time.Second != 0
}

func (k *checker) zones() {
	seen := map[string]bool{}
	for i := range k.c.Zones {
		z := &k.c.Zones[i]
		at := fmt.Sprintf("zones[%d]", i)
		if z.Name = ASCII(strings.ToLower(strings.TrimSuffix(z.Name, "."))); !zoneName(z.Name) {
			k.add(at+".name", "%q is no name of a zone, want one like example.org or 2.0.192.in-addr.arpa", z.Name)
		}

		if seen[z.Name] {
			k.add(at+".name", "%q is there twice", z.Name)
		}

		seen[z.Name] = true
		if badTTL(z.TTL) {
			k.add(at+".ttl", "is %v, want whole seconds from 1s to 168h", z.TTL)
		}

		k.endpoints(at+".nameservers", z.Nameservers)
		k.settings(at, *z)
	}
}

func (k *checker) settings(at string, z Zone) {
	p, ok := providers.Lookup(z.Provider)
	if !ok {
		k.word("zones.provider", at+".provider", z.Provider)
		return
	}

	if why := p.Limits.RefuseTTL(z.TTL); why != "" && !p.Limits.NoTTL {
		k.add(at+".ttl", "is %v, and %s %s", z.TTL, z.Provider, why)
	}

	for _, e := range providers.CheckSettings(z.Provider, z.Settings) {
		path := at + ".settings." + e.Setting
		if e.Want != "" {
			k.add(path, "%s, want %s", e.Problem, e.Want)
		} else {
			k.add(path, "%s", e.Problem)
		}
	}

	for _, s := range p.Settings {
		if v := z.Settings[s.Name]; s.Secret && v != "" && !IsReference(v) {
			k.add(at+".settings."+s.Name, "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
		}
	}
}

// ZoneOf returns the zone that holds a name, the longest one.
func (c *Config) ZoneOf(name string) (Zone, bool) {
	if c.zoneAt == nil {
		c.zoneAt = make(map[string]int, len(c.Zones))
		for i, z := range c.Zones {
			c.zoneAt[fqdn(z.Name)] = i
		}
	}

	for n := range mail.Enclosing(name) {
		if i, ok := c.zoneAt[n]; ok {
			return c.Zones[i], true
		}
	}

	return Zone{}, false
}

func (k *checker) inZone(path, name string) {
	if _, held := k.c.ZoneOf(name); held {
		return
	}
	k.add(path, "no zone holds %q, want one under zones (with provider: manual where mailpub can't write it)", name)
}
