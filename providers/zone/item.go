package zone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/record"
)

// itemOf returns what was seen of a key. Without records its Lines are empty.
func itemOf(t record.Target, k plan.Key, seen Listing) plan.Item {
	it := plan.Item{Key: k, Unreadable: seen.Unknown[t.RRset]}
	it.Silent = seen.Asked && it.Unreadable != ""
	var own []record.Record

	for _, r := range seen.Sets[t.RRset] {
		if !t.Holds(r) {
			continue
		}

		if r.Bad != nil {
			it.Unreadable = fmt.Sprintf("a record can't be understood: %v", r.Bad)
		}

		if t.Tag != "" {
			r.TTL = -1
			r.Note = ""
		}

		own = append(own, r)
	}

	if it.Unreadable == "" {
		it.Lines = record.Lines(own)
	}

	if t.Type == "CNAME" && len(own) == 0 && it.Unreadable == "" {
		it.Unreadable = conflictsWith(t.Name, seen)
	}

	return it
}

// otherTypes are the RRsets that are looked at beside a CNAME: nothing else can stand at its
// name (RFC 1034 section 3.6.2), and name servers drop it without a word where something
// does.
func otherTypes(name string) (sets []record.RRset) {
	for _, t := range []string{"A", "AAAA", "MX", "TXT"} {
		sets = append(sets, record.RRset{Name: name, Type: t})
	}
	return sets
}

// conflictsWith says what keeps a name from becoming an alias, or "".
func conflictsWith(name string, seen Listing) string {
	var there []string
	for set, rs := range seen.Sets {
		if set.Name == name && len(rs) > 0 && set.Type != "RRSIG" && set.Type != "NSEC" {
			there = append(there, set.Type)
		}
	}

	if there == nil {
		return ""
	}

	return fmt.Sprintf("%s has other records (%s), which a CNAME excludes: remove those, or publish this under another name",
		record.Bare(name), strings.Join(slices.Sorted(slices.Values(there)), ", "))
}
