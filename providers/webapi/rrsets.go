package webapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
)

// RRsetAPI is a provider that deals in whole RRsets.
type RRsetAPI interface {
	// zone returns every RRset of the zone, or at least those at the given names.
	RRsets(ctx context.Context, names []string) ([]Set, error)
	// put replaces RRsets, each as it was by what is to be, all or none of them. One without
	// values is taken away.
	Put(ctx context.Context, was, sets []Set) error
}

// Set is an RRset as the interface has it.
type Set struct {
	record.RRset
	TTL        int
	Values     []Value
	Unreadable string // why it can't be compared with anything, such as an answer that depends on who asks
}

// Value is one record's data in presentation format, in the provider's spelling.
type Value struct {
	Text     string
	Raw      string // as the interface has it, where that is no presentation format
	Disabled bool   // kept there but not served: never shown, always carried along
}

// RRsetBackend writes through an rrsetAPI. Replacing an RRset writes the strangers' records
// in it too, so they go back in the provider's own spelling and order.
type RRsetBackend struct{ API RRsetAPI }

// List implements zone.Backend.
func (b *RRsetBackend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister.
func (b *RRsetBackend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	names := slices.Sorted(maps.Keys(zone.Owners(sets, around...)))
	found, err := b.API.RRsets(ctx, names)
	if err != nil {
		return zone.Listing{}, err
	}
	return Listed(found, sets, around...), nil
}

// Listed takes up what was found at the names of sets and at those around.
func Listed(found []Set, sets []record.RRset, around ...string) zone.Listing {
	l := zone.NewListing()
	wanted := zone.Owners(sets, around...)
	for _, s := range found {
		l.SawBelow(s.Name, wanted)
		if !wanted[s.Name] {
			continue
		}

		if s.Unreadable != "" {
			l.Unknown[s.RRset] = s.Unreadable
		}

		for _, v := range s.Values {
			if !v.Disabled {
				l.Add(s.RecordOf(v))
			}
		}
	}

	return l
}

// Find returns the RRset of that name and type, empty where there is none.
func Find(sets []Set, set record.RRset) Set {
	for _, s := range sets {
		if s.RRset == set {
			return s
		}
	}
	return Set{RRset: set}
}

// Has reports whether a value is among the RRset's, in whatever spelling.
func (s Set) Has(v Value) bool {
	for _, o := range s.Values {
		if s.RecordOf(o).Data == s.RecordOf(v).Data {
			return true
		}
	}
	return false
}

// RecordOf returns a value in canonical form.
func (s Set) RecordOf(v Value) record.Record { return record.Parse(s.RRset, s.TTL, v.Text) }

// Write replaces the RRsets of all edits at once. Such interfaces have no preconditions,
// so what is there is looked at once more right before.
func (b *RRsetBackend) Write(ctx context.Context, edits []zone.Edit) error {
	names := map[string]bool{}
	for _, e := range edits {
		names[e.Name] = true
	}

	now, err := b.API.RRsets(ctx, slices.Sorted(maps.Keys(names)))
	if err != nil {
		return err
	}

	was := make([]Set, len(edits))
	sets := make([]Set, len(edits))
	for i, e := range edits {
		was[i] = Find(now, e.RRset)
		if sets[i], err = was[i].Edited(e); err != nil {
			return err
		}
	}

	if err := ctx.Err(); err != nil {
		return err
	}

	return b.API.Put(ctx, was, sets)
}

// Edited returns the RRset after an edit, made from what is there now.
func (s Set) Edited(e zone.Edit) (Set, error) {
	var served []record.Record
	for _, v := range s.Values {
		if !v.Disabled {
			served = append(served, s.RecordOf(v))
		}
	}

	if is := record.Lines(served); !plan.EqualLines(is, record.Lines(e.Before)) {
		return s, fmt.Errorf("%s: %w: it became %q between reading and writing", e.RRset,
			plan.ErrStale, is)
	}

	gone, fresh := e.Split()
	out := Set{RRset: e.RRset, TTL: s.TTL}
	for _, v := range s.Values {
		if v.Disabled || !record.HoldsData(gone, s.RecordOf(v)) {
			out.Values = append(out.Values, v)
		}
	}

	for _, r := range fresh {
		rr, err := r.RR()
		if err != nil {
			return out, err
		}
		out.TTL = r.TTL
		out.Values = append(out.Values, Value{Text: strings.TrimPrefix(rr.String(),
			rr.Header().String())})
	}

	return out, nil
}
