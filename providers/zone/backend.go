package zone

import (
	"context"
	"strings"

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

// NeighbourLister is a Backend that reads whole zones, so that further names cost nothing.
type NeighbourLister interface {
	// ListAround is List that also returns what is at the names around.
	ListAround(ctx context.Context, sets []record.RRset, around []string) (Listing, error)
}

// Listing is what a backend saw.
type Listing struct {
	Sets map[record.RRset][]record.Record
	// unknown says of RRsets why they could not be made out.
	Unknown map[record.RRset]string
	// Asked says that what is Unknown is a question that was not answered.
	Asked bool
	// Parents are the names asked for that have others below them, where a backend sees that.
	Parents map[string]bool
}

func NewListing() Listing {
	return Listing{
		Sets:    map[record.RRset][]record.Record{},
		Unknown: map[record.RRset]string{},
		Parents: map[string]bool{},
	}
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
				used[i] = true
				kept = true
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
func Owners(sets []record.RRset, around ...string) map[string]bool {
	names := make(map[string]bool, len(sets)+len(around))
	for _, s := range sets {
		names[s.Name] = true
	}

	for _, name := range around {
		names[name] = true
	}

	return names
}

// SawBelow notes that a zone has a name, for those above it that are wanted.
func (l Listing) SawBelow(name string, wanted map[string]bool) {
	for {
		_, above, ok := strings.Cut(name, ".")
		if !ok || above == "" || l.Parents[above] {
			return
		}

		if wanted[above] {
			l.Parents[above] = true
		}

		name = above
	}
}
