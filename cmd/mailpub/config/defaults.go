package config

import (
	"time"
)

// DefaultState is the directory of the ledger, beside the config.
const DefaultState = ".mailpub"

// Default values, as `mailpub help config` and the example say them.
const (
	defaultTTL     = time.Hour
	defaultLease   = 7 * 24 * time.Hour
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
		if len(c.Domains[i].MX) == 0 {
			c.Domains[i].MX = []MX{{Host: c.Server.Hostname, Preference: 10}}
		}
		for j := range c.Domains[i].DKIM {
			set(&c.Domains[i].DKIM[j].Algorithm, "rsa")
		}
		if sts := &c.Domains[i].MTASTS; sts.Mode != "" {
			set(&sts.Host, c.Server.Hostname)
			if sts.MaxAge == 0 {
				sts.MaxAge = defaultMaxAge
			}
		}
		for j := range c.Domains[i].Services {
			s := &c.Domains[i].Services[j]
			set(&s.Host, c.Server.Hostname)
			if s.Port == 0 {
				s.Port = servicePorts()[s.Name]
			}
		}
	}
	for i := range c.Zones {
		if c.Zones[i].TTL == 0 {
			c.Zones[i].TTL = defaultTTL
		}
	}
	set(&c.Router.Protocol, "auto")
	set(&c.Router.IPv6, "pinholes")
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
	c.Watch.fillIn(c.written)
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
