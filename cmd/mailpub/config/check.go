package config

import (
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
)

func (c *Config) check() Errors {
	k := checker{c: c}
	k.site()
	k.server()
	k.zones()
	k.ttls()
	k.domains()
	k.router()
	k.service()
	k.verify()
	k.watch()
	k.ignores()

	return k.bad
}

func (k *checker) site() {
	if !siteName(k.c.Site) {
		k.add("site", "is %q, want a short name of small letters, digits and hyphens; it names the ledger",
			k.c.Site)
	}

	if l := k.c.Language; l != "" && !lang.Language(l).Known() {
		k.add("language", "is %q, want %s", l, strings.Join(lang.Names(), " or "))
	}
}
