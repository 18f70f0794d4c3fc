package providers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// rrsetAPI is a provider that deals in whole RRsets.
type rrsetAPI interface {
	// zone returns every RRset of the zone, or at least those at the given names.
	zone(ctx context.Context, names []string) ([]apiSet, error)
	// put replaces RRsets, each as it was by what is to be, all or none of them. One without
	// values is taken away.
	put(ctx context.Context, was, sets []apiSet) error
}

// apiSet is an RRset as the interface has it.
type apiSet struct {
	rrset
	ttl    int
	values []apiValue
	odd    string // why it can't be compared with anything, such as an answer that depends on who asks
}

// apiValue is one record's data in presentation format, in the provider's spelling.
type apiValue struct {
	text string
	raw  string // as the interface has it, where that is no presentation format
	off  bool   // kept there but not served: never shown, always carried along
}

// rrsetBackend writes through an rrsetAPI. Replacing an RRset writes the strangers' records
// in it too, so they go back in the provider's own spelling and order.
type rrsetBackend struct{ api rrsetAPI }

func (b *rrsetBackend) list(ctx context.Context, sets []rrset) (listing, error) {
	names := slices.Sorted(maps.Keys(owners(sets)))
	found, err := b.api.zone(ctx, names)
	if err != nil {
		return listing{}, err
	}
	return listed(found, sets), nil
}

// listed takes up what was found at the names of sets.
func listed(found []apiSet, sets []rrset) listing {
	l, wanted := newListing(), owners(sets)
	for _, s := range found {
		if !wanted[s.name] {
			continue
		}
		if s.odd != "" {
			l.unknown[s.rrset] = s.odd
		}
		for _, v := range s.values {
			if !v.off {
				l.add(s.record(v))
			}
		}
	}
	return l
}

// find returns the RRset of that name and type, empty where there is none.
func find(sets []apiSet, set rrset) apiSet {
	for _, s := range sets {
		if s.rrset == set {
			return s
		}
	}
	return apiSet{rrset: set}
}

// has reports whether a value is among the RRset's, in whatever spelling.
func (s apiSet) has(v apiValue) bool {
	for _, o := range s.values {
		if s.record(o).data == s.record(v).data {
			return true
		}
	}
	return false
}

// record returns a value in canonical form.
func (s apiSet) record(v apiValue) record { return parseRecord(s.rrset, s.ttl, v.text) }

// write replaces the RRsets of all edits at once. Such interfaces have no preconditions,
// so what is there is looked at once more right before.
func (b *rrsetBackend) write(ctx context.Context, edits []edit) error {
	names := map[string]bool{}
	for _, e := range edits {
		names[e.name] = true
	}
	now, err := b.api.zone(ctx, slices.Sorted(maps.Keys(names)))
	if err != nil {
		return err
	}
	was, sets := make([]apiSet, len(edits)), make([]apiSet, len(edits))
	for i, e := range edits {
		was[i] = find(now, e.rrset)
		if sets[i], err = was[i].edited(e); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.api.put(ctx, was, sets)
}

// edited returns the RRset after an edit, made from what is there now.
func (s apiSet) edited(e edit) (apiSet, error) {
	var served []record
	for _, v := range s.values {
		if !v.off {
			served = append(served, s.record(v))
		}
	}
	if is := lines(served); !plan.EqualLines(is, lines(e.before)) {
		return s, fmt.Errorf("%s: %w: it became %q between reading and writing", e.rrset, plan.ErrStale, is)
	}
	gone, fresh := e.split()
	out := apiSet{rrset: e.rrset, ttl: s.ttl}
	for _, v := range s.values {
		if v.off || !holdsData(gone, s.record(v)) {
			out.values = append(out.values, v)
		}
	}
	for _, r := range fresh {
		rr, err := r.rr()
		if err != nil {
			return out, err
		}
		out.ttl = r.ttl
		out.values = append(out.values, apiValue{text: strings.TrimPrefix(rr.String(), rr.Header().String())})
	}
	return out, nil
}
