package config

import (
	"cmp"
	"time"
)

// DefaultState is the directory of the ledger, beside the config.
const DefaultState = ".mailpub"

// Default values, as `mailpub help config` and the example say them.
const (
	defaultTTL     = time.Hour
	defaultLease   = 7 * 24 * time.Hour
	defaultTimeout = 5 * time.Second // of a request to the router
	defaultMaildir = "mail"
	defaultMaxAge  = 7 * 24 * time.Hour
)

func (c *Config) fillIn() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}

	set(&c.State, DefaultState)
	set(&c.Server.Public.IPv4, "auto")
	set(&c.Server.Public.IPv6, "none")

	if d := &c.Server.DANE; d.Certificate != "" && len(d.Ports) == 0 {
		d.Ports = []int{25}
	}

	for i := range c.Domains {
		c.Domains[i].fillIn(c.Server.Hostname)
	}

	for i := range c.Zones {
		if c.Zones[i].TTL == 0 {
			c.Zones[i].TTL = defaultTTL
			c.Zones[i].keepTTL = true
		}
	}

	set(&c.Router.Protocol, "auto")
	set(&c.Router.IPv6, "pinholes")
	if c.Router.Timeout == 0 {
		c.Router.Timeout = defaultTimeout
	}

	if c.Router.Lease == 0 {
		c.Router.Lease = defaultLease
	}

	for i := range c.Router.Forwards {
		f := &c.Router.Forwards[i]
		set(&f.Proto, "tcp")
		if f.Internal == 0 {
			f.Internal = f.Port
		}
	}

	c.Watch.fillIn(c.isSet)
	set(&c.Service.Type, "receiver")
	if c.Service.SenderChecks == nil {
		c.Service.SenderChecks = new(true)
	}

	set(&c.Service.Delivery.Mode, DeliverDirect)
	if c.Service.Type == "receiver" {
		set(&c.Service.Maildir, defaultMaildir)
		c.Service.Limits.fillIn()
	}

	if t, ok := LookupServer(c.Service.Type); ok {
		for _, f := range t.Settings {
			if f.Default != "" && c.Service.Settings[f.Name] == "" {
				if c.Service.Settings == nil {
					c.Service.Settings = map[string]string{}
				}
				c.Service.Settings[f.Name] = f.Default
			}
		}
	}
}

// fillIn sets the defaults of a domain whose mail host is host.
func (d *Domain) fillIn(host string) {
	if d.MX == nil { // "mx: []" says that others take the domain's mail
		d.MX = []MX{{Host: host, Preference: 10}}
	}

	for i := range d.DKIM {
		d.DKIM[i].Algorithm = cmp.Or(d.DKIM[i].Algorithm, "rsa")
	}

	if sts := &d.MTASTS; sts.Mode != "" {
		sts.Host = cmp.Or(sts.Host, host)
		sts.MaxAge = cmp.Or(sts.MaxAge, defaultMaxAge)
	}

	for i := range d.Services {
		s := &d.Services[i]
		s.Host = cmp.Or(s.Host, host)
		s.Port = cmp.Or(s.Port, servicePorts()[s.Name])
	}
}
