// Package manual reads zones that a person enters: over DNS, without writing anything.
package manual

import (
	"context"
	"errors"
	"sync"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	return zone.Provider{
		Name:    "manual",
		Summary: "no interface: mailpub says what to enter and reads it over DNS",
		Scopes:  "none",
		Manual:  true,
		Connect: func(o zone.Options) (zone.Backend, error) {
			return &Backend{Resolver: o.Resolver, Nameservers: o.Servers()}, nil
		},
	}
}

// Backend knows a zone only by what is published. Its records have no TTL: at a
// resolver that counts down, and it is the person's to choose.
type Backend struct {
	Resolver *resolver.Resolver
	// Nameservers are the servers of zones, host:port, that are not to be found by delegation.
	Nameservers map[string][]string
}

// List asks for each RRset, all at once. A question without an answer leaves that RRset
// unknown; it never makes it absent.
func (b *Backend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	l := zone.NewListing()
	l.Asked = true
	cache := resolver.NewQueryCache(b.Resolver, b.Nameservers, "")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, set := range sets {
		wg.Go(func() {
			a, err := cache.Authoritative(ctx, set.Name, set.Type)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				l.Unknown[set] = "not known: " + err.Error()
				return
			}
			if len(a.Chain) > 0 && set.Type != "CNAME" { // kept elsewhere, which package zone tells
				set.Type = "CNAME"
				a.Records = []resolver.Record{{Data: a.Chain[0]}}
			}
			for _, r := range a.Records {
				found := record.Record{RRset: set, Data: r.Data, TTL: -1}
				if !record.HoldsData(l.Sets[set], found) { // an alias answers several questions
					l.Add(found)
				}
			}
		})
	}
	wg.Wait()
	return l, ctx.Err()
}

func (b *Backend) Write(context.Context, []zone.Edit) error {
	return errors.New("this zone is entered by hand: nothing was written")
}
