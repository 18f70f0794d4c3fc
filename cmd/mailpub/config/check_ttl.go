package config

import (
	"fmt"
	"time"

	"github.com/mailpub/mailpub/providers"
)

// ttls checks the TTLs that are given beside the mail host's and the domains' records.
func (k *checker) ttls() {
	host := k.c.Server.Hostname
	k.ttl("server.ttl", k.c.Server.TTL, host)
	k.ttl("server.dane.ttl", k.c.Server.DANE.TTL, host)

	for i, d := range k.c.Domains {
		at := fmt.Sprintf("domains[%d]", i)
		k.ttl(at+".ttl", d.TTL, d.Name)
		k.ttl(at+".dmarc.ttl", d.DMARC.TTL, d.Name)
		k.ttl(at+".mta_sts.ttl", d.MTASTS.TTL, d.Name)

		for j, key := range d.DKIM {
			k.ttl(fmt.Sprintf("%s.dkim[%d].ttl", at, j), key.TTL, d.Name)
		}

		for j, s := range d.Services {
			k.ttl(fmt.Sprintf("%s.services[%d].ttl", at, j), s.TTL, d.Name)
		}
	}
}

// ttl checks one that is given for records at a name.
func (k *checker) ttl(path string, d time.Duration, name string) {
	if d == 0 && !k.c.isSet(path) {
		return
	}

	if badTTL(d) {
		k.add(path, "is %v, want whole seconds from 1s to 168h", d)
		return
	}

	zone, _ := k.c.ZoneOf(name)
	p, ok := providers.Lookup(zone.Provider)
	if !ok {
		return
	}

	if why := p.Limits.RefuseTTL(d); why != "" && !p.Limits.NoTTL {
		k.add(path, "is %v, and %s %s", d, zone.Provider, why)
	}
}
