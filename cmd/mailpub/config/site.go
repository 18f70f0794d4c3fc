package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
)

// PlanSite returns the site as plan knows it, without what keys say: those are files. auto
// are the public addresses where the config says auto, as far as they are known.
func (c *Config) PlanSite(auto ...netip.Addr) mail.Spec {
	s := mail.Spec{
		Name:     c.Site,
		Host:     fqdn(c.Server.Hostname),
		TTL:      seconds(c.Server.TTL),
		Address:  netip.MustParseAddr(c.Server.Address),
		Public:   c.PublicAddresses(auto...),
		Router:   c.Router.RouterKind(),
		Lease:    c.Router.Lease,
		OpenIPv6: c.Router.IPv6 == "open",
		CAA:      c.Server.CAA,
		Service:  c.mailService(),
	}

	for _, d := range c.Domains {
		pd := mail.Domain{
			Name: fqdn(d.Name),
			TTL:  seconds(d.TTL),
			SPF: mail.SPF{
				Include: mapped(d.SPF.Include, ASCII),
				All:     d.SPF.All,
			},
			DMARC: mail.DMARC{
				Policy: d.DMARC.Policy,
				RUA:    mapped(d.DMARC.RUA, reportAddress),
				TTL:    seconds(d.DMARC.TTL),
			},
			TLSRPT: mapped(d.TLSRPT, reportAddress),
			MTASTS: mail.MTASTS{
				Mode:   d.MTASTS.Mode,
				MaxAge: d.MTASTS.MaxAge,
				TTL:    seconds(d.MTASTS.TTL),
			},
		}

		if h := d.MTASTS.Host; h != "" && h != "none" {
			pd.MTASTS.Host = fqdn(h)
		}

		for _, m := range d.MTASTS.MX {
			host, wild := strings.CutPrefix(m, "*.")
			if host = fqdn(host); wild {
				host = "*." + host
			}
			pd.MTASTS.MX = append(pd.MTASTS.MX, host)
		}

		if d.Autoconfig != "" {
			pd.Autoconfig = fqdn(d.Autoconfig)
		}

		for _, k := range d.DKIM {
			pd.DKIM = append(pd.DKIM, mail.DKIM{
				Selector: k.Selector,
				File:     cmp.Or(k.Key, c.DKIMPath(d, k)),
				TTL:      seconds(k.TTL),
			})
		}

		for _, n := range d.Services {
			pd.Services = append(pd.Services, mail.Service{
				Name: n.Name,
				Host: fqdn(n.Host),
				Port: uint16(n.Port),
				TTL:  seconds(n.TTL),
			})
		}

		for _, m := range d.MX {
			pd.MX = append(pd.MX, mail.MX{Host: fqdn(m.Host), Preference: uint16(m.Preference)})
		}

		s.Domains = append(s.Domains, pd)
	}

	s.DANE.TTL = seconds(c.Server.DANE.TTL)
	for _, p := range c.Server.DANE.Ports {
		s.DANE.Ports = append(s.DANE.Ports, uint16(p))
	}

	for _, n := range c.NoMail {
		s.NoMail = append(s.NoMail, fqdn(n))
	}

	for _, z := range c.Zones {
		pz := mail.Zone{
			Name:    mail.FQDN(z.Name),
			TTL:     seconds(z.TTL),
			KeepTTL: z.keepTTL,
			ByHand:  z.Manual(),
		}

		if p, ok := providers.Lookup(z.Provider); ok && p.Limits.NoTTL {
			pz.TTL = -1
		}

		s.Zones = append(s.Zones, pz)
	}

	for _, f := range c.Router.Forwards {
		s.Forwards = append(s.Forwards, mail.Forward{
			Name:     f.Name,
			Proto:    f.Proto,
			Port:     uint16(f.Port),
			Internal: uint16(f.Internal),
		})
	}

	return s
}

// Addressed is the language of the people whom the site's requests, reports, notices and page address.
func (c *Config) Addressed() lang.Language { return lang.Language(c.Language).Or(lang.System()) }

// mapped returns a list with a function of each text; nil for nil.
func mapped(list []string, f func(string) string) (out []string) {
	for _, s := range list {
		out = append(out, f(s))
	}
	return out
}

// reportAddress is where reports go to, as a record says it: with the domain as it is in DNS (RFC 8616 section 4).
func reportAddress(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i < 0 || strings.Contains(s, "/") {
		return s
	}
	return s[:i+1] + ASCII(s[i+1:])
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func (c *Config) mailService() mail.MailService {
	m := mail.MailService{
		Port: uint16(c.SMTPPort()),
		Delivery: mail.Delivery{
			SmartHost: c.Service.Delivery.SmartHost,
			Always:    c.Service.Delivery.Mode == DeliverSmartHost, SPF: c.Service.Delivery.SPF,
		},
	}

	for _, n := range c.Service.Networks {
		m.Networks = append(m.Networks, netip.MustParsePrefix(n).Masked()) // check has read it
	}

	for _, d := range c.Service.BackupFor {
		m.PassesOn = append(m.PassesOn, strings.TrimSuffix(fqdn(d), "."))
	}

	for _, h := range c.Service.Collectors {
		m.Collectors = append(m.Collectors, h.Host)
	}

	for _, a := range c.Service.Aliases {
		m.Aliases = append(m.Aliases, mail.Alias{Address: strings.ToLower(a.Address), To: a.To})
	}

	return m
}

// PublicAddresses returns the addresses that the config gives, IPv4 first, those of further lines last. Where it says auto,
// the one of that family among auto stands for it, if there is one.
func (c *Config) PublicAddresses(auto ...netip.Addr) (out []netip.Addr) {
	for _, f := range []struct {
		text   string
		family func(netip.Addr) bool
	}{{c.Server.Public.IPv4, netip.Addr.Is4}, {c.Server.Public.IPv6, netip.Addr.Is6}} {
		if a, err := netip.ParseAddr(f.text); err == nil {
			out = append(out, a)
		} else if i := slices.IndexFunc(auto, f.family); f.text == "auto" && i >= 0 {
			out = append(out, auto[i])
		}
	}

	for _, text := range c.Server.Public.Also {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, a)
		}
	}

	return out
}

// fqdn returns a checked name as it is in DNS. Underscores, which idna refuses, stay.
func fqdn(name string) string { return mail.FQDN(ASCII(name)) }
