package main

import (
	"context"
	"net/netip"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

// pointers finds out where the PTR records of the public addresses are kept: a provider that
// delegates fewer than 256 addresses makes each reverse name an alias, to a name of its choice or of
// the customer's (RFC 2317 section 4). Where DNS can't be asked, what was written before stays where
// it is.
func (w *world) pointers(ctx context.Context) {
	servers := map[string][]string{}
	for _, z := range w.cfg.Zones {
		if len(z.Nameservers) > 0 {
			servers[mail.FQDN(z.Name)] = z.Nameservers
		}
	}
	cache := resolver.NewQueryCache(w.resolver, servers, "")
	w.site.Pointers = map[netip.Addr]string{}
	for _, addr := range w.site.Public {
		addr = addr.Unmap()
		a, err := cache.Authoritative(ctx, mail.ReverseName(addr), "PTR")
		switch {
		case err == nil && len(a.Chain) > 0:
			w.site.Pointers[addr] = a.Chain[len(a.Chain)-1]
		case err != nil:
			if name := w.ownPointer(addr); name != "" {
				w.site.Pointers[addr] = name
			}
		}
	}
}

// ownPointer returns the name of the PTR in the ledger whose zone is of an address's last octet, or
// "": what an alias led to before.
func (w *world) ownPointer(addr netip.Addr) string {
	reverse := mail.ReverseName(addr)
	last, _, _ := strings.Cut(reverse, ".")
	for _, e := range w.ledger.Entries() {
		name, rrtype, _, err := mail.SplitDNSKey(e.Key)
		if err != nil || rrtype != "PTR" || name == reverse {
			continue
		}
		if strings.HasPrefix(name, last+".") || len(w.site.Public) == 1 {
			return name
		}
	}
	return ""
}
