package providers

import (
	"fmt"
	"slices"

	"github.com/mailpub/mailpub/plan"
)

// edits compares a batch with what was seen and turns it into changes of RRsets, in the
// batch's order. On an error it also returns the index of the change that is to blame.
func (z *Zone) edits(batch []plan.Change, targets []target, seen listing) ([]edit, int, error) {
	for i, c := range batch {
		is := itemOf(targets[i], c.Key, seen)
		switch {
		case is.Unreadable != "":
			return nil, i, fmt.Errorf("%s: %s", c.Key, is.Unreadable)
		case !plan.EqualLines(is.Lines, slices.Sorted(slices.Values(c.Before))):
			return nil, i, fmt.Errorf("%s: %w: is %q, was %q", c.Key, plan.ErrStale, is.Lines, c.Before)
		}
	}
	var order []rrset
	after := map[rrset][]record{}
	for i, c := range batch {
		t := targets[i]
		if _, begun := after[t.rrset]; !begun {
			order = append(order, t.rrset)
			after[t.rrset] = seen.sets[t.rrset]
		}
		next, err := z.next(t, seen.sets[t.rrset], after[t.rrset], c.After)
		if err != nil {
			return nil, i, err
		}
		after[t.rrset] = next
	}
	var edits []edit
	for _, set := range order {
		e := edit{set, seen.sets[set], after[set]}
		if gone, fresh := e.split(); len(gone)+len(fresh) > 0 {
			edits = append(edits, e)
		}
	}
	for i, t := range targets {
		if err := aliased(t.rrset, after, seen); err != nil {
			return nil, i, err
		}
	}
	return edits, 0, nil
}

// merged returns the RRset with the key's records replaced by the wanted lines and
// everything else left as it is. A record among strangers' takes over their TTL: an
// RRset has only one (RFC 2181 section 5.2), and theirs is not ours to change.
func (z *Zone) merged(t target, set []record, want []string) ([]record, error) {
	ttl := z.ttl
	if t.tag != "" && len(set) > 0 {
		ttl = set[0].ttl
	}
	var own, next []record
	for _, r := range set {
		if t.holds(r) {
			own = append(own, r)
		} else {
			next = append(next, r)
		}
	}
	for _, line := range want {
		r, err := parseLine(t.rrset, line, ttl)
		if err != nil {
			return nil, err
		}
		if !t.holds(r) {
			return nil, fmt.Errorf("%s TXT: %q does not begin with %q", t.name, r.data, t.tag)
		}
		if t.tag != "" {
			r = keep(r, own)
		}
		next = append(next, r)
	}
	return next, nil
}

// keep returns the record of the same data that is there already, so that it keeps its
// TTL, or else r.
func keep(r record, own []record) record {
	for _, o := range own {
		if o.sameData(r) {
			return o
		}
	}
	return r
}

// aliased refuses to put anything beside a CNAME (RFC 1034 section 3.6.2): name servers
// drop such a record without a word. The reverse, a CNAME beside what was not looked at,
// comes out when it is read back.
func aliased(set rrset, after map[rrset][]record, seen listing) error {
	is := func(s rrset) []record {
		if rs, changed := after[s]; changed {
			return rs
		}
		return seen.sets[s]
	}
	if len(is(set)) == 0 {
		return nil
	}
	alias := is(rrset{set.name, "CNAME"})
	if set.rrtype != "CNAME" && len(alias) > 0 {
		return fmt.Errorf("%s: the name is an alias of %s (CNAME), and nothing can stand beside that: remove the CNAME first",
			set, alias[0].data)
	}
	return nil
}
