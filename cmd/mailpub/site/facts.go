package site

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/sts"
	"github.com/mailpub/mailpub/nat"
	routercheck "github.com/mailpub/mailpub/nat/check"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/dnscheck"
	"github.com/mailpub/mailpub/providers/resolver"
)

// dnsFacts is what asking about the site's names takes.
func (s *Site) dnsFacts() dnscheck.Facts { return dnsFacts(s.cfg, s.spec, s.resolver) }

func dnsFacts(cfg *config.Config, spec mail.Spec, resolver *resolver.Resolver) dnscheck.Facts {
	public := spec.Public
	if len(spec.Shut) > 0 { // not published by IPv6, on purpose
		public = slices.DeleteFunc(slices.Clone(public), func(a netip.Addr) bool {
			return mail.AddressType(a) == "AAAA"
		})
	}

	f := dnscheck.Facts{
		Host:        spec.Host,
		Public:      public,
		Resolver:    resolver,
		Nameservers: map[string][]string{},
	}

	for _, z := range cfg.Zones {
		if len(z.Nameservers) > 0 {
			f.Nameservers[mail.FQDN(z.Name)] = z.Nameservers
		}
	}

	return f
}

// desiredDNS is everything that should be found in DNS.
func (s *Site) desiredDNS(ctx context.Context) dnscheck.Facts {
	f := s.dnsFacts()
	f.Own = s.behindRouter()
	f.Inside = s.spec.Address.String()

	for _, c := range s.spec.Service.Collectors {
		if _, err := netip.ParseAddr(c); err != nil {
			f.Names = append(f.Names, c)
		}
	}

	f.BlockLists = s.cfg.Verify.DNSBL
	f.HostsFile = s.cfg.HostsFile()
	f.DANE = s.spec.DANE.Ports
	f.Served = s.servedCertificates
	f.FetchPolicy = s.fetchPolicy

	for i, d := range s.spec.Domains {
		pd := dnscheck.Domain{
			Name:       d.Name,
			MX:         d.MX,
			DMARC:      d.DMARC.Policy,
			TLSRPT:     len(d.TLSRPT) > 0,
			Services:   d.Services,
			Autoconfig: d.Autoconfig,
			DKIM:       s.selectors(ctx, s.cfg.Domains[i]),
		}

		if policy := d.Policy(); policy != nil {
			pd.PolicyID = mail.PolicyID(policy)
		}

		f.Domains = append(f.Domains, pd)
	}

	f.Written = map[string]dnscheck.WrittenZone{}
	for _, z := range s.cfg.Zones {
		f.Zones = append(f.Zones, z.Name)
		if w, ok := writtenAt(z); ok {
			f.Written[mail.FQDN(z.Name)] = w
		}
	}

	f.Owned = s.ledger.Of("dns")
	return f
}

func (s *Site) routerFacts() routercheck.Facts {
	var kept []plan.Key
	for _, e := range s.ledger.Of(forward.Kind) {
		kept = append(kept, e.Key)
	}

	loopback, noLoopback := s.loopback()
	return routercheck.Facts{
		Loopback:   loopback,
		NoLoopback: noLoopback,
		Server:     s.cfg.Server.Hostname,
		Inside:     s.spec.Address.String(),

		Front:     s.outerAddress(),
		BehindNAT: s.cfg.Router.BehindNAT,
		Open: func(context.Context) (*nat.Router, error) {
			if s.spec.Router == mail.RouterNone {
				return nil, nil
			}
			return s.router.Router, s.router.err
		},
		Wanted:  s.spec.ForwardItems(),
		Kept:    kept,
		Outside: s.seenOutside(),
		Published: func(ctx context.Context) ([]netip.Addr, error) {
			return s.resolver.Addresses(ctx, s.spec.Host)
		},
		Owned: func(k plan.Key) bool {
			e, known := s.ledger.Get(k)
			return known && e.Text != nil // one that was never seen in place is not lost
		},
	}
}

// loopbackTime is how long a connection through the router back inside may take.
const loopbackTime = 3 * time.Second

// loopback returns what connects from this machine to a forwarded port of the public address,
// or why that is of no use: it has to run in the server's own network.
func (s *Site) loopback() (connect func(context.Context) (string, error), why string) {
	public := s.behindRouter()
	at := slices.IndexFunc(s.spec.Forwards, func(f mail.Forward) bool {
		return f.Proto == "tcp"
	})

	network, _ := gateway.InterfaceOf(s.spec.Address)
	switch {
	case s.spec.Router == mail.RouterNone:
		return nil, "no router, as configured"
	case len(public) == 0 || at < 0:
		return nil, "no public address or no forward is known"
	case network == "" || s.spec.Address.IsLoopback():
		return nil, "this machine is not in the server's network"
	}

	addr := netip.AddrPortFrom(public[0].Unmap(), s.spec.Forwards[at].Port).String()
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, loopbackTime)
		defer cancel()

		conn, err := egress.Dialer().DialContext(ctx, "tcp", addr)
		if err != nil {
			return addr, errors.New(smtpclient.RemoteErrorText(err))
		}

		conn.Close()
		return addr, nil
	}, ""
}

// behindRouter returns the public addresses that a router translates. From inside they lead to the
// router, or through it (hairpin), and not the way that senders come. IPv6 is not translated.
func (s *Site) behindRouter() []netip.Addr {
	if s.spec.Router == mail.RouterNone {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.spec.Public), func(a netip.Addr) bool {
		return !a.Unmap().Is4()
	})
}

// policies fetches MTA-STS policies as senders do.
func (s *Site) policies() *sts.Fetcher {
	var own []string
	for _, a := range s.behindRouter() {
		own = append(own, a.String())
	}

	return &sts.Fetcher{
		Own: own,
		Lookup: func(ctx context.Context, host string) (list []string, err error) {
			addrs, err := s.resolver.Addresses(ctx, host)
			for _, a := range addrs {
				list = append(list, a.String())
			}
			return list, err
		},
	}
}

// servedCertificates returns the certificates that the mail server shows on a port, seen from outside; none
// where it answers and offers no TLS.
func (s *Site) servedCertificates(ctx context.Context, port uint16) ([]*x509.Certificate, error) {
	addr := s.SMTPAddr()
	for _, f := range s.spec.Forwards {
		if f.Proto == "tcp" && f.Port == port {
			addr = netip.AddrPortFrom(s.spec.Address, f.Internal).String()
		}
	}

	served, err := smtpclient.Served(ctx, nil, addr, s.cfg.Server.Hostname)
	if errors.Is(err, smtpclient.ErrNoTLS) {
		return nil, nil
	}

	return served, err
}

// selectors are the DKIM keys of a domain, as the checks need them.
func (s *Site) selectors(ctx context.Context, d config.Domain) (list []dnscheck.Selector) {
	for _, k := range d.DKIM {
		one := dnscheck.Selector{Name: k.Selector}
		if key, err := readKey(ctx, s.cfg, d, k); err == nil {
			one.Proves = key.SignedBy
		}
		list = append(list, one)
	}

	return list
}

// writtenAt says where a zone is written; ok is false where a person enters it.
func writtenAt(z config.Zone) (w dnscheck.WrittenZone, ok bool) {
	p, known := providers.Lookup(z.Provider)
	if !known || p.Manual {
		return w, false
	}

	w = dnscheck.WrittenZone{Provider: z.Provider, Hosts: p.NameServers}
	if z.Provider == "rfc2136" {
		w.Server, _ = resolver.HostPort(z.Settings["server"])
	}

	return w, true
}

// fetchPolicy fetches an MTA-STS policy for the checks of DNS.
func (s *Site) fetchPolicy(ctx context.Context, domain string, mx []mail.MX) (excluded string, served bool, err error) {
	fetcher := s.policies()
	addrs, err := fetcher.Lookup(ctx, "mta-sts."+domain)
	if own := slices.IndexFunc(addrs, func(a string) bool {
		return slices.Contains(fetcher.Own, a)
	}); err == nil && own >= 0 {
		return "", true, fmt.Errorf("mta-sts.%s is %s, the public address of this network: an answer from inside proves nothing",
			domain, addrs[own])
	}

	p, err := fetcher.Fetch(ctx, domain)
	if err != nil {
		return "", !errors.Is(err, sts.ErrNotServed), err
	}

	return sts.Excluded(p, mx), true, nil
}
