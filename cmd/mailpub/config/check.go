package config

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
}
