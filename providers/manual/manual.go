// Package manual reads zones that a person enters: over DNS, without writing anything.
package manual

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	return zone.Provider{
		Name:    "manual",
		Summary: "no API: mailpub prints the records to enter and reads them over DNS",
		Scopes:  "none",
		Manual:  true,
		Connect: func(o zone.Options) (zone.Backend, error) {
			return &Backend{
				Zone:        mail.FQDN(o.Zone),
				Resolver:    o.Resolver,
				Nameservers: o.Servers(),
			}, nil
		},
	}
}

// Backend knows a zone only by what is published. Its records have no TTL: at a
// resolver that counts down, and it is the person's to choose.
type Backend struct {
	Zone     string // absolute; "." stands for names in any zone
	Resolver *resolver.Resolver
	// Nameservers are the servers of zones, host:port, that are not to be found by delegation.
	Nameservers map[string][]string
}

// List asks for each RRset, all at once. A question without an answer leaves that RRset
// unknown; it never makes it absent.
func (b *Backend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister. Of the names around it asks for the wildcards alone, and
// for the delegations on the way, which a resolver has to follow anyway.
func (b *Backend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	a := queries{
		QueryCache: resolver.NewQueryCache(b.Resolver, b.Nameservers, ""),
		listing:    zone.NewListing(),
	}

	a.listing.Asked = true
	a.all(ctx, sets)
	if len(around) > 0 && b.Zone != "." {
		a.all(ctx, wildcards(sets, around))
		a.agree(sets, around)
		a.cuts(ctx, b.Zone, sets)
	}

	return a.listing, ctx.Err()
}

// queries is one reading of a zone.
type queries struct {
	*resolver.QueryCache
	mu      sync.Mutex
	listing zone.Listing
}

func (q *queries) all(ctx context.Context, sets []record.RRset) {
	var wg sync.WaitGroup
	for _, set := range sets {
		wg.Go(func() {
			a, err := q.Authoritative(ctx, set.Name, set.Type)
			q.mu.Lock()
			defer q.mu.Unlock()
			q.add(set, a, err)
		})
	}

	wg.Wait()
}

func (q *queries) add(set record.RRset, a resolver.Answer, err error) {
	if err != nil {
		q.listing.Unknown[set] = "not known: " + err.Error()
		return
	}

	if len(a.Chain) > 0 && set.Type != "CNAME" { // kept elsewhere, which package zone tells
		set.Type = "CNAME"
		a.Records = []resolver.Record{{Data: a.Chain[0]}}
	}

	for _, r := range a.Records {
		found := record.Record{RRset: set, Data: r.Data, TTL: -1}
		if !record.HoldsData(q.listing.Sets[set], found) { // an alias answers several questions
			q.listing.Add(found)
		}
	}
}

// wildcards returns what is asked of the wildcards that may answer for the names of hosts.
func wildcards(sets []record.RRset, around []string) (asked []record.RRset) {
	may := map[string]bool{}
	for _, set := range sets {
		_, above, _ := strings.Cut(set.Name, ".")
		may["*."+above] = may["*."+above] || !strings.HasPrefix(set.Name, "_")
	}

	for _, name := range around {
		if !may[name] || strings.Contains(name, "_") {
			continue
		}
		for _, t := range []string{"A", "AAAA", "MX", "CNAME", "TXT"} {
			asked = append(asked, record.RRset{Name: name, Type: t})
		}
	}

	return asked
}

// agree finds out which names a wildcard may answer for: all that they are known to have is the
// wildcard's, and something is still to be entered. The others are there of themselves, as far as
// can be told from outside. What only a wildcard alias answers is not at the name.
func (q *queries) agree(sets []record.RRset, around []string) {
	own := map[string]bool{}
	open := map[string]bool{}
	for _, set := range sets {
		_, above, _ := strings.Cut(set.Name, ".")
		wild := record.RRset{Name: "*." + above, Type: set.Type}
		alias := record.RRset{Name: set.Name, Type: "CNAME"}
		wildAlias := q.listing.Sets[record.RRset{Name: wild.Name, Type: "CNAME"}]

		if sameData(q.listing.Sets[alias], wildAlias) && len(wildAlias) > 0 {
			delete(q.listing.Sets, alias)
		}

		is := q.listing.Sets[set]
		switch {
		case len(is) == 0 && len(q.listing.Sets[wild]) == 0:
			open[set.Name] = true
		case !sameData(is, q.listing.Sets[wild]):
			own[set.Name] = true
		}
	}

	for _, name := range around {
		if own[name] || !open[name] {
			q.listing.Parents[name] = true
		}
	}

	for _, set := range sets {
		if open[set.Name] && !own[set.Name] {
			delete(q.listing.Sets, set) // gone once the rest is entered
		}
	}
}

func sameData(a, b []record.Record) bool {
	return slices.Equal(dataOf(a), dataOf(b))
}

func dataOf(rs []record.Record) (data []string) {
	for _, r := range rs {
		data = append(data, r.Data)
	}
	slices.Sort(data)
	return data
}

// cuts adds the delegations between a zone and the names in it: what is entered below one is not seen.
func (q *queries) cuts(ctx context.Context, apex string, sets []record.RRset) {
	for _, set := range sets {
		if set.Name == apex {
			continue
		}

		at, hosts, err := q.Delegation(ctx, set.Name)
		cut := record.RRset{Name: at, Type: "NS"}
		if err != nil || at == apex || !mail.Within(at, apex) || len(q.listing.Sets[cut]) > 0 {
			continue
		}

		for _, h := range hosts {
			q.listing.Add(record.Record{RRset: cut, Data: h, TTL: -1})
		}
	}
}

func (b *Backend) Write(context.Context, []zone.Edit) error {
	return errors.New("this zone is edited manually: nothing was written")
}
