// Package catalog is the one list of all checks: id, area, place on the way of a message, and what
// there is to say about each for people. It finds the causes in a report of checks.
//
// It runs no check: that is for the packages that know DNS, routers and mail servers.
package catalog

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Entry is one check.
type Entry struct {
	ID    string `json:"id"`
	Area  string `json:"area"`     // AreaDNS, AreaRouter or AreaMail
	Hop   Hop    `json:"-"`        // where on its way a message meets what is checked
	Looks string `json:"looks_at"` // what it looks at, and when it fails
	Why   string `json:"why"`      // what goes wrong, and for whom
	Mend  string `json:"mend"`     // what to do
}

// Areas of checks.
const (
	AreaDNS    = "dns"
	AreaRouter = "router"
	AreaMail   = "mail"
)

// Hop is a place on the way of a message, coming in or going out.
type Hop string

const (
	InDNS         Hop = "in: DNS"
	InRouter      Hop = "in: router"
	InServer      Hop = "in: mail server"
	InMailbox     Hop = "in: mailbox"
	OutServer     Hop = "out: mail server"
	OutRouter     Hop = "out: router"
	OutReputation Hop = "out: reputation"
)

// table is the catalog, made once: it does not change.
var table = sync.OnceValue(func() map[string]Entry {
	entries := map[string]Entry{}
	for _, e := range slices.Concat(records(), policies(), router(), server(), delivery()) {
		entries[e.ID] = e
	}
	return entries
})

// All returns every check, sorted by area and id.
func All() []Entry {
	return slices.SortedFunc(maps.Values(table()), func(a, b Entry) int {
		if order := slices.Index(Areas(), a.Area) - slices.Index(Areas(), b.Area); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// Areas are the parts of a site, in the order in which people ask about them.
func Areas() []string { return []string{AreaDNS, AreaRouter, AreaMail} }

// OutboundGroup is the group of the checks of a message out.
const OutboundGroup = "outbound"

// Groups are the first parts of ids of which there are several, as "outbound"; those that are areas are left out.
func Groups() (groups []string) {
	seen := map[string]int{}
	for _, id := range IDs() {
		group, _, _ := strings.Cut(id, ".")
		if seen[group]++; seen[group] == 2 && !slices.Contains(Areas(), group) {
			groups = append(groups, group)
		}
	}

	return groups
}

// Expand puts the ids of groups in the place of their names, and leaves other words as they are.
func Expand(words []string) (expanded []string) {
	groups := Groups()
	for _, word := range words {
		if !slices.Contains(groups, word) {
			expanded = append(expanded, word)
			continue
		}

		for _, id := range IDs() {
			if strings.HasPrefix(id, word+".") {
				expanded = append(expanded, id)
			}
		}
	}

	return expanded
}

// Lookup returns the entry of an id.
func Lookup(id string) (Entry, bool) {
	e, ok := table()[id]
	return e, ok
}

// Area returns the area of an id; "" where there is no such check.
func Area(id string) string { return table()[id].Area }

// HopOf returns the place of an id on the way of a message; "" where there is no such check.
func HopOf(id string) Hop { return table()[id].Hop }

// IDs returns every id, in the order of All.
func IDs() (ids []string) {
	for _, e := range All() {
		ids = append(ids, e.ID)
	}
	return ids
}
