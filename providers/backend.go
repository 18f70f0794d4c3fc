package providers

import (
	"context"
)

// backend is what Zone needs of a provider.
type backend interface {
	// list returns the records of the given RRsets and any CNAME at the same names. It
	// may return more.
	list(ctx context.Context, sets []rrset) (listing, error)

	// write carries out edits, in order. A backend that can does all of them or none. An
	// error wraps plan.ErrStale when nothing was written because an edit's before is no
	// longer so.
	write(ctx context.Context, edits []edit) error
}

// listing is what a backend saw.
type listing struct {
	sets map[rrset][]record
	// unknown says of RRsets why they could not be made out.
	unknown map[rrset]string
}

func newListing() listing {
	return listing{sets: map[rrset][]record{}, unknown: map[rrset]string{}}
}

func (l listing) add(r record) { l.sets[r.rrset] = append(l.sets[r.rrset], r) }

// edit changes one RRset.
type edit struct {
	rrset
	before, after []record
}

// split returns the records to take away and to put in place, leaving alone what is
// in both.
func (e edit) split() (gone, fresh []record) {
	used := make([]bool, len(e.before))
	for _, a := range e.after {
		kept := false
		for i, b := range e.before {
			if !used[i] && b.line() == a.line() {
				used[i], kept = true, true
				break
			}
		}
		if !kept {
			fresh = append(fresh, a)
		}
	}
	for i, b := range e.before {
		if !used[i] {
			gone = append(gone, b)
		}
	}
	return gone, fresh
}

// owners returns the names of RRsets: of a whole zone, only what is at these is worth
// understanding.
func owners(sets []rrset) map[string]bool {
	names := make(map[string]bool, len(sets))
	for _, s := range sets {
		names[s.name] = true
	}
	return names
}
