package zone

import (
	"context"

	"github.com/mailpub/mailpub/providers/record"
)

// Backend is what Zone needs of a provider.
type Backend interface {
	// list returns the records of the given RRsets and any CNAME at the same names. It
	// may return more.
	List(ctx context.Context, sets []record.RRset) (Listing, error)

	// write carries out edits, in order. A backend that can does all of them or none. An
	// error wraps plan.ErrStale when nothing was written because an edit's before is no
	// longer so.
	Write(ctx context.Context, edits []Edit) error
}

// Listing is what a backend saw.
type Listing struct {
	Sets map[record.RRset][]record.Record
	// unknown says of RRsets why they could not be made out.
	Unknown map[record.RRset]string
}

func NewListing() Listing {
	return Listing{Sets: map[record.RRset][]record.Record{}, Unknown: map[record.RRset]string{}}
}

func (l Listing) Add(r record.Record) { l.Sets[r.RRset] = append(l.Sets[r.RRset], r) }

// Edit changes one RRset.
type Edit struct {
	record.RRset
	Before, After []record.Record
}

// Split returns the records to take away and to put in place, leaving alone what is
// in both.
func (e Edit) Split() (gone, fresh []record.Record) {
	used := make([]bool, len(e.Before))
	for _, a := range e.After {
		kept := false
		for i, b := range e.Before {
			if !used[i] && b.Line() == a.Line() {
				used[i], kept = true, true
				break
			}
		}
		if !kept {
			fresh = append(fresh, a)
		}
	}
	for i, b := range e.Before {
		if !used[i] {
			gone = append(gone, b)
		}
	}
	return gone, fresh
}

// Owners returns the names of RRsets: of a whole zone, only what is at these is worth
// understanding.
func Owners(sets []record.RRset) map[string]bool {
	names := make(map[string]bool, len(sets))
	for _, s := range sets {
		names[s.Name] = true
	}
	return names
}
