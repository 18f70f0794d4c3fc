package zone

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Some names of a zone are not served by it: those below a delegation (RFC 1034 section 4.2) or a
// DNAME (RFC 6672), and those that are aliases. What is written there, the world does not see,
// or the name server drops it. What is there is read over DNS instead, and is never changed.

// listAround reads RRsets, and what else a change at their names may depend on, where a backend
// has that for nothing.
func (z *Zone) listAround(ctx context.Context, sets []record.RRset) (Listing, error) {
	b, ok := z.Backend.(NeighbourLister)
	if !ok {
		return z.Backend.List(ctx, sets)
	}
	return b.ListAround(ctx, sets, z.around(sets))
}

// around returns the names between those of RRsets and the zone's apex, and the wildcards that may
// answer for them.
func (z *Zone) around(sets []record.RRset) (names []string) {
	seen := make(map[string]bool, len(sets))
	wild := map[string]bool{} // the names whose wildcard is among names
	for _, s := range sets {
		for at := range mail.Enclosing(s.Name) {
			if seen[at] {
				break
			}

			seen[at] = true
			names = append(names, at)
			if at == z.Name {
				break
			}

			_, above, _ := strings.Cut(at, ".")
			if !wild[above] {
				wild[above] = true
				names = append(names, "*."+above)
			}
		}
	}

	return names
}

// outsideReason says why a name of the zone is not served by it, and so where what is there is kept; ""
// where it is.
func outsideReason(zone string, t record.Target, seen Listing) string {
	alias := seen.Sets[record.RRset{Name: t.Name, Type: "CNAME"}]
	switch {
	case len(alias) == 0 || t.Type == "CNAME":
	case t.Type == "PTR":
		return fmt.Sprintf("%s is an alias of %s (RFC 2317): it is set by the operator of that zone",
			record.Bare(t.Name), record.Bare(alias[0].Data))
	default:
		return fmt.Sprintf("%s is an alias of %s (CNAME), which excludes other records: its data are in the other zone; "+
			"to set it here, remove the CNAME", record.Bare(t.Name), record.Bare(alias[0].Data))
	}

	for at := range mail.Enclosing(t.Name) {
		dname := seen.Sets[record.RRset{Name: at, Type: "DNAME"}]
		if len(dname) > 0 && at != t.Name {
			return fmt.Sprintf("%s is below %s, an alias of %s as a whole (DNAME): its data are in the other zone",
				record.Bare(t.Name), record.Bare(at), record.Bare(dname[0].Data))
		}
		if at == zone {
			return ""
		}

		ns := seen.Sets[record.RRset{Name: at, Type: "NS"}]
		own := at == t.Name && (t.Type == "NS" || t.Type == "DS")
		if len(ns) > 0 && !own {
			return fmt.Sprintf("%s is in zone %s, which is delegated to %s: resolvers do not see records for it in zone %s; "+
				"give zone %s to mailpub too, or enter it there", record.Bare(t.Name),
				record.Bare(at), hosts(ns), record.Bare(zone), record.Bare(at))
		}
	}

	return ""
}

func hosts(ns []record.Record) string {
	var names []string
	for _, r := range ns {
		names = append(names, record.Bare(r.Data))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// elsewhere returns the items, by index, whose names the zone does not serve.
func (z *Zone) elsewhere(ctx context.Context, targets []record.Target, keys []plan.Key, seen Listing) map[int]plan.Item {
	var cache *resolver.QueryCache
	items := map[int]plan.Item{}
	for i, t := range targets {
		why := outsideReason(z.Name, t, seen)
		if why == "" {
			continue
		}

		if cache == nil {
			cache = resolver.NewQueryCache(z.resolver, z.nameservers, "")
		}

		items[i] = published(ctx, cache, t, keys[i], why)
	}

	return items
}

// published returns what the world sees of a key. Its lines have no TTL: that is not this zone's to
// choose.
func published(ctx context.Context, cache *resolver.QueryCache, t record.Target, k plan.Key, why string) plan.Item {
	it := plan.Item{Key: k, Fixed: why}
	a, err := cache.Authoritative(ctx, t.Name, t.Type)
	if err != nil {
		it.Unreadable = why + "; cannot read it there: " + err.Error()
		it.Silent = true
		return it
	}

	for _, r := range a.Records {
		if t.Holds(record.Record{Data: r.Data}) {
			it.Lines = append(it.Lines, r.Data)
		}
	}

	slices.Sort(it.Lines)
	return it
}
