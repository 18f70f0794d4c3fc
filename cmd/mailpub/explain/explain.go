// Package explain holds what there is to say about each check, for people: what it looks at,
// why that matters, how to mend it. It runs none of them.
package explain

import (
	"slices"
	"strings"
)

// Entry is one check.
type Entry struct {
	ID    string `json:"id"`
	Area  string `json:"area"`     // "dns", "router" or "mail"
	Looks string `json:"looks_at"` // what it looks at, and when it fails
	Why   string `json:"why"`      // what goes wrong for whom
	Mend  string `json:"mend"`     // what to do
}

// All returns every check, sorted by area and id.
func All() []Entry {
	all := slices.Concat(records(), policies(), router(), server(), delivery())
	slices.SortFunc(all, func(a, b Entry) int {
		if order := slices.Index(Areas(), a.Area) - slices.Index(Areas(), b.Area); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Areas are the parts of a site, in the order in which people ask about them.
func Areas() []string { return []string{"dns", "router", "mail"} }

// Lookup returns the entry of an id.
func Lookup(id string) (Entry, bool) {
	all := All()
	i := slices.IndexFunc(all, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return Entry{}, false
	}
	return all[i], true
}

// Area returns the area of an id; "" where there is no such check.
func Area(id string) string {
	e, _ := Lookup(id)
	return e.Area
}

// IDs returns every id, in the order of All.
func IDs() (ids []string) {
	for _, e := range All() {
		ids = append(ids, e.ID)
	}
	return ids
}
