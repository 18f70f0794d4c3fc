package webapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
)

// RecordWriter changes single records. What each does to the others of the RRset: nothing.
type RecordWriter interface {
	Create(ctx context.Context, r record.Record) error
	// replace turns one record into another without a moment in which neither is there;
	// errNoReplace says that it can't.
	Replace(ctx context.Context, from, to record.Record) error
	// remove takes a record away. One that is gone already is no error.
	Remove(ctx context.Context, r record.Record) error
}

var ErrNoID = errors.New("a record without an id cannot be distinguished from its neighbours")

var ErrNoReplace = errors.New("records can't be replaced")

// writeRecords carries out edits one record after the other: such interfaces have neither
// transactions nor preconditions.
func writeRecords(ctx context.Context, w RecordWriter, edits []zone.Edit) error {
	for _, e := range edits {
		if err := writeEdit(ctx, w, e); err != nil {
			return fmt.Errorf("%s: %w", e.RRset, err)
		}
	}
	return nil
}

// writeEdit carries out one edit. What is there stays until its replacement is in place,
// except where both can't be there at once: the same data with another TTL, and a
// CNAME, of which a name has only one (RFC 1034 section 3.6.2).
func writeEdit(ctx context.Context, w RecordWriter, e zone.Edit) error {
	gone, fresh := e.Split()
	for _, f := range fresh {
		if err := ctx.Err(); err != nil {
			return err
		}

		if len(gone) > 0 {
			i := counterpart(gone, f)
			old := gone[i]
			err := w.Replace(ctx, old, f)
			same := old.SameData(f) || f.Type == "CNAME"
			if err == nil || errors.Is(err, ErrNoReplace) && same {
				gone = append(gone[:i:i], gone[i+1:]...)
			}

			if err == nil {
				continue
			}
			if !errors.Is(err, ErrNoReplace) {
				return err
			}

			if same {
				if err := w.Remove(ctx, old); err != nil {
					return err
				}
			}
		}

		if err := w.Create(ctx, f); err != nil {
			return err
		}
	}

	for _, g := range gone {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.Remove(ctx, g); err != nil {
			return err
		}
	}

	return nil
}

// counterpart returns the index of the record that becomes r: the one with the same
// data, else the first.
func counterpart(gone []record.Record, r record.Record) int {
	for i, g := range gone {
		if g.SameData(r) {
			return i
		}
	}
	return 0
}

// RecordAPI is a provider that deals in single records, each with an id.
type RecordAPI interface {
	RecordWriter
	// records returns the zone's records, or at least those at the given names.
	Records(ctx context.Context, names []string) ([]record.Record, error)
}

// RecordBackend writes through a RecordAPI.
type RecordBackend struct {
	RecordAPI
	PerName bool // every name costs a request: only what is asked for is read
}

// List implements zone.Backend.
func (b RecordBackend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister.
func (b RecordBackend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	wanted := zone.Owners(sets, around...)
	asked := wanted
	if b.PerName {
		asked = zone.Owners(sets, wildcardsIn(around)...)
	}

	found, err := b.Records(ctx, slices.Sorted(maps.Keys(asked)))
	if err != nil {
		return zone.Listing{}, err
	}

	if cutter, ok := b.RecordAPI.(CutLister); ok && b.PerName && around != nil {
		cuts, err := cutter.Cuts(ctx)
		if err != nil {
			return zone.Listing{}, err
		}

		for _, r := range cuts {
			if !asked[r.Name] { // else it is there already
				found = append(found, r)
			}
		}
	}

	l := zone.NewListing()
	for _, r := range found {
		l.SawBelow(r.Name, wanted)
		if wanted[r.Name] {
			l.Add(r)
		}
	}

	return l, nil
}

// CutLister is a RecordAPI whose every name costs a request, but that lists all records of a type.
type CutLister interface {
	// Cuts returns the zone's records that lead names away: NS and DNAME.
	Cuts(ctx context.Context) ([]record.Record, error)
}

// wildcardsIn returns those of some names that are wildcards of hosts.
func wildcardsIn(names []string) (wild []string) {
	for _, name := range names {
		if strings.HasPrefix(name, "*.") && !strings.Contains(name, "_") {
			wild = append(wild, name)
		}
	}
	return wild
}

// replace and remove go by the id: without one a record can't be told from its neighbours.

func (b RecordBackend) Replace(ctx context.Context, from, to record.Record) error {
	if from.ID == "" {
		return ErrNoID
	}
	return b.RecordAPI.Replace(ctx, from, to)
}

func (b RecordBackend) Remove(ctx context.Context, r record.Record) error {
	if r.ID == "" {
		return ErrNoID
	}
	return b.RecordAPI.Remove(ctx, r)
}

func (b RecordBackend) Write(ctx context.Context, edits []zone.Edit) error {
	return writeRecords(ctx, b, edits)
}
