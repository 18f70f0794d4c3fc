package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// recordWriter changes single records. What each does to the others of the RRset: nothing.
type recordWriter interface {
	create(ctx context.Context, r record) error
	// replace turns one record into another without a moment in which neither is there;
	// errNoReplace says that it can't.
	replace(ctx context.Context, from, to record) error
	// remove takes a record away. One that is gone already is no error.
	remove(ctx context.Context, r record) error
}

var errNoID = errors.New("a record without an id can't be told from its neighbours")

var errNoReplace = errors.New("records can't be replaced")

// writeRecords carries out edits one record after the other: such interfaces have neither
// transactions nor preconditions.
func writeRecords(ctx context.Context, w recordWriter, edits []edit) error {
	for _, e := range edits {
		if err := writeEdit(ctx, w, e); err != nil {
			return fmt.Errorf("%s: %w", e.rrset, err)
		}
	}
	return nil
}

// writeEdit carries out one edit. What is there stays until its replacement is in place,
// except where both can't be there at once: the same data with another TTL, and a
// CNAME, of which a name has only one (RFC 1034 section 3.6.2).
func writeEdit(ctx context.Context, w recordWriter, e edit) error {
	gone, fresh := e.split()
	for _, f := range fresh {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(gone) > 0 {
			i := counterpart(gone, f)
			old := gone[i]
			err := w.replace(ctx, old, f)
			same := old.sameData(f) || f.rrtype == "CNAME"
			if err == nil || errors.Is(err, errNoReplace) && same {
				gone = append(gone[:i:i], gone[i+1:]...)
			}
			if err == nil {
				continue
			}
			if !errors.Is(err, errNoReplace) {
				return err
			}
			if same {
				if err := w.remove(ctx, old); err != nil {
					return err
				}
			}
		}
		if err := w.create(ctx, f); err != nil {
			return err
		}
	}
	for _, g := range gone {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.remove(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// counterpart returns the index of the record that becomes r: the one with the same
// data, else the first.
func counterpart(gone []record, r record) int {
	for i, g := range gone {
		if g.sameData(r) {
			return i
		}
	}
	return 0
}

// recordAPI is a provider that deals in single records, each with an id.
type recordAPI interface {
	recordWriter
	// records returns the zone's records, or at least those at the given names.
	records(ctx context.Context, names []string) ([]record, error)
}

// recordBackend writes through a recordAPI.
type recordBackend struct{ recordAPI }

func (b recordBackend) list(ctx context.Context, sets []rrset) (listing, error) {
	wanted := owners(sets)
	found, err := b.records(ctx, slices.Sorted(maps.Keys(wanted)))
	if err != nil {
		return listing{}, err
	}
	l := newListing()
	for _, r := range found {
		if wanted[r.name] {
			l.add(r)
		}
	}
	return l, nil
}

// replace and remove go by the id: without one a record can't be told from its neighbours.

func (b recordBackend) replace(ctx context.Context, from, to record) error {
	if from.id == "" {
		return errNoID
	}
	return b.recordAPI.replace(ctx, from, to)
}

func (b recordBackend) remove(ctx context.Context, r record) error {
	if r.id == "" {
		return errNoID
	}
	return b.recordAPI.remove(ctx, r)
}

func (b recordBackend) write(ctx context.Context, edits []edit) error {
	return writeRecords(ctx, b, edits)
}
