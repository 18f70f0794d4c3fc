package site

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// isGiven reports whether an address of a family was given.
func (o Options) isGiven(ipv6 bool) bool {
	return slices.ContainsFunc(o.Public, func(a netip.Addr) bool {
		return a.Unmap().Is4() != ipv6
	})
}

// givenSource and ledgerSource know a public address without anybody being asked.
const (
	givenSource  = "--public"
	ledgerSource = "the ledger"
)

// withoutAsking is the public address of one family where nobody may be asked, as this machine may be
// elsewhere than the mail server: as it was given, or as mailpub published it last.
func (o Options) withoutAsking(cfg *config.Config, l *plan.Ledger, ipv6 bool) (p publicAddress) {
	p.ipv6 = ipv6
	rrtype := "A"
	if ipv6 {
		rrtype = "AAAA"
	}

	for _, addr := range o.Public {
		if addr.Unmap().Is4() != ipv6 {
			p.addr = addr.Unmap()
			p.seen = []addressSource{{name: givenSource, addr: p.addr}}
			return p
		}
	}

	if e, ok := l.Get(mail.DNSKey(cfg.Server.Hostname, rrtype)); ok && len(e.Text) == 1 {
		data, _ := mail.SplitRecordLine(e.Text[0])
		if addr, err := netip.ParseAddr(data); err == nil {
			p.addr = addr
			p.seen = []addressSource{{name: ledgerSource, addr: addr}}
			return p
		}
	}

	p.err = fmt.Errorf("%s is auto, and %w: the router is not asked, and the ledger has no address; give it with --public",
		p.field(), ErrPublicAddress)

	return p
}

// checkPublic fails on addresses that the config has no question for.
func (o Options) checkPublic(cfg *config.Config) error {
	for _, addr := range o.Public {
		p := publicAddress{ipv6: !addr.Unmap().Is4()}
		set := cfg.Server.Public.IPv4
		if p.ipv6 {
			set = cfg.Server.Public.IPv6
		}

		if set != auto {
			return fmt.Errorf("--public %s: %s is %q in the config, want auto there", addr,
				p.field(), set)
		}
	}

	return nil
}
