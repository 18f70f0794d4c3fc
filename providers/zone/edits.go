package zone

import (
	"fmt"
	"slices"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/record"
)

// edits compares a batch with what was seen and turns it into changes of RRsets, in the
// batch's order. On an error it also returns the index of the change that is to blame.
func (z *Zone) edits(batch []plan.Change, targets []record.Target, seen Listing) ([]Edit, int, error) {
	for i, c := range batch {
		is := itemOf(targets[i], c.Key, seen)
		switch {
		case is.Unreadable != "":
			return nil, i, fmt.Errorf("%s: %s", c.Key, is.Unreadable)
		case !plan.EqualLines(is.Lines, slices.Sorted(slices.Values(c.Before))):
			return nil, i, fmt.Errorf("%s: %w: is %q, was %q", c.Key, plan.ErrStale, is.Lines,
				c.Before)
		}
	}

	var order []record.RRset
	after := map[record.RRset][]record.Record{}
	for i, c := range batch {
		t := targets[i]
		if _, begun := after[t.RRset]; !begun {
			order = append(order, t.RRset)
			after[t.RRset] = seen.Sets[t.RRset]
		}

		next, err := z.next(t, seen.Sets[t.RRset], after[t.RRset], c.After)
		if err != nil {
			return nil, i, err
		}

		after[t.RRset] = next
	}

	var edits []Edit
	for _, set := range order {
		e := Edit{set, seen.Sets[set], after[set]}
		if gone, fresh := e.Split(); len(gone)+len(fresh) > 0 {
			edits = append(edits, e)
		}
	}

	for i, t := range targets {
		if err := aliased(t.RRset, after, seen); err != nil {
			return nil, i, err
		}
	}

	return edits, 0, nil
}

// merged returns the RRset with the key's records replaced by the wanted lines and
// everything else left as it is. A record among strangers' takes over their TTL: an
// RRset has only one (RFC 2181 section 5.2), and theirs is not ours to change.
func (z *Zone) merged(t record.Target, set []record.Record, want []string) ([]record.Record, error) {
	ttl := z.ttl
	if t.Tag != "" && len(set) > 0 {
		ttl = set[0].TTL
	}

	var own, next []record.Record
	for _, r := range set {
		if t.Holds(r) {
			own = append(own, r)
		} else {
			next = append(next, r)
		}
	}

	for _, line := range want {
		r, err := record.ParseLine(t.RRset, line, ttl)
		if err != nil {
			return nil, err
		}
		if !t.Holds(r) {
			return nil, fmt.Errorf("%s TXT: %q does not begin with %q", t.Name, r.Data, t.Tag)
		}

		if t.Tag != "" {
			r = keep(r, own)
		}

		next = append(next, r)
	}

	return next, nil
}

// keep returns the record of the same data that is there already, so that it keeps its
// TTL, or else r.
func keep(r record.Record, own []record.Record) record.Record {
	for _, o := range own {
		if o.SameData(r) {
			return o
		}
	}
	return r
}

// aliased refuses to put anything beside a CNAME (RFC 1034 section 3.6.2): name servers
// drop such a record without a word. The reverse, a CNAME beside what was not looked at,
// comes out when it is read back.
func aliased(set record.RRset, after map[record.RRset][]record.Record, seen Listing) error {
	is := func(s record.RRset) []record.Record {
		if rs, changed := after[s]; changed {
			return rs
		}
		return seen.Sets[s]
	}

	if len(is(set)) == 0 {
		return nil
	}

	alias := is(record.RRset{Name: set.Name, Type: "CNAME"})
	if set.Type != "CNAME" && len(alias) > 0 {
		return fmt.Errorf("%s: the name is an alias of %s (CNAME), which excludes other records: remove the CNAME first",
			set, alias[0].Data)
	}

	return nil
}
