package providers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// itemOf returns what was seen of a key. Without records its Lines are empty.
func itemOf(t target, k plan.Key, seen listing) plan.Item {
	it := plan.Item{Key: k, Unreadable: seen.unknown[t.rrset]}
	var own []record
	for _, r := range seen.sets[t.rrset] {
		if !t.holds(r) {
			continue
		}
		if r.bad != nil {
			it.Unreadable = fmt.Sprintf("a record can't be understood: %v", r.bad)
		}
		if t.tag != "" {
			r.ttl, r.note = -1, ""
		}
		own = append(own, r)
	}
	if it.Unreadable == "" {
		it.Lines = lines(own)
	}
	if t.rrtype == "CNAME" && len(own) == 0 && it.Unreadable == "" {
		it.Unreadable = inTheWay(t.name, seen)
	}
	return it
}

// besides are the RRsets that are looked at beside a CNAME: nothing else can stand at its
// name (RFC 1034 section 3.6.2), and name servers drop it without a word where something
// does.
func besides(name string) (sets []rrset) {
	for _, t := range []string{"A", "AAAA", "MX", "TXT"} {
		sets = append(sets, rrset{name, t})
	}
	return sets
}

// inTheWay says what keeps a name from becoming an alias, or "".
func inTheWay(name string, seen listing) string {
	var there []string
	for set, rs := range seen.sets {
		if set.name == name && len(rs) > 0 && set.rrtype != "RRSIG" && set.rrtype != "NSEC" {
			there = append(there, set.rrtype)
		}
	}
	if there == nil {
		return ""
	}
	return fmt.Sprintf("%s has other records (%s), and a CNAME can't stand beside them: remove those, or publish this under another name",
		bare(name), strings.Join(slices.Sorted(slices.Values(there)), ", "))
}
