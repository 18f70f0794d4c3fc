package site

import (
	"context"
	"net/netip"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

// pointers finds out where the PTR records of public addresses are kept: a provider that delegates
// fewer than 256 addresses makes each reverse name an alias, to a name of its choice or of the
// customer's (RFC 2317 section 4). Where DNS can't be asked, what was written before stays where it
// is.
func pointers(ctx context.Context, cfg *config.Config, l *plan.Ledger, r *resolver.Resolver, public []netip.Addr) map[netip.Addr]string {
	servers := map[string][]string{}
	for _, z := range cfg.Zones {
		if len(z.Nameservers) > 0 {
			servers[mail.FQDN(z.Name)] = z.Nameservers
		}
	}

	cache := resolver.NewQueryCache(r, servers, "")
	names := map[netip.Addr]string{}
	for _, addr := range public {
		addr = addr.Unmap()
		a, err := cache.Authoritative(ctx, mail.ReverseName(addr), "PTR")
		switch {
		case err == nil && len(a.Chain) > 0:
			names[addr] = a.Chain[len(a.Chain)-1]
		case err != nil:
			if name := ownPointer(l, addr, len(public) == 1); name != "" {
				names[addr] = name
			}
		}
	}

	return names
}

// ownPointer returns the name of the PTR in the ledger that an alias of an address led to before, or
// "". Where there is only one address, it is that one's whatever it is called.
func ownPointer(l *plan.Ledger, addr netip.Addr, only bool) string {
	reverse := mail.ReverseName(addr)
	last, _, _ := strings.Cut(reverse, ".")
	for _, e := range l.Entries() {
		name, rrtype, _, err := mail.SplitDNSKey(e.Key)
		if err != nil || rrtype != "PTR" || name == reverse {
			continue
		}
		if only || strings.HasPrefix(name, last+".") {
			return name
		}
	}

	return ""
}
