package zone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// A wildcard answers for names that do not exist, and no longer once they do (RFC 4592 section
// 2.2.1): a record that is added at such a name takes away what the wildcard gave it. So the
// wildcard's other records are put at the name with it.

// Companions implements plan.Companion.
func (z *Zone) Companions(wanted []plan.Item, made func(plan.Key) bool) (more, observed []plan.Item) {
	if !z.hasWildcard() {
		return nil, nil
	}

	has := make(map[plan.Key]bool, len(wanted))
	types := map[string]map[string]bool{} // wanted at each name
	var names []string

	for _, it := range wanted {
		has[it.Key] = true
		t, err := z.target(it.Key)
		if err != nil || it.ByHand != "" && !z.manual {
			continue
		}

		for at := range mail.Enclosing(t.Name) {
			if at == z.Name || types[at] != nil {
				break
			}
			types[at] = map[string]bool{}
			names = append(names, at)
		}

		if t.Name != z.Name {
			types[t.Name][t.Type] = true
		}
	}

	for _, name := range names {
		if strings.Contains(name, "_") || strings.HasPrefix(name, "*.") {
			continue // nobody has hosts there
		}

		wild := z.wildcard(name)
		former := false
		if wild == "" {
			wild = z.formerWildcard(name, made)
			former = true
		}

		for _, set := range z.setsAt(wild) {
			it, ok := z.kept(name, wild, set, types[name])
			if !ok || has[it.Key] || former && !made(it.Key) ||
				!z.needed(name, set.Type, made) {
				continue
			}

			more = append(more, it)
			_, _, tag, _ := mail.SplitDNSKey(it.Key)
			is := itemOf(record.Target{
				RRset: record.RRset{
					Name: name,
					Type: set.Type,
				},
				Tag: tag,
			}, it.Key, z.last)

			if is.Unreadable != "" || len(is.Lines) > 0 {
				observed = append(observed, is)
			}
		}
	}

	return more, observed
}

// kept returns what is to be at a name of an RRset of the wildcard that answered for it; ok is false
// where that is nothing. types are those that are wanted at the name.
func (z *Zone) kept(name, wild string, set record.RRset, types map[string]bool) (it plan.Item, ok bool) {
	if it, ok := z.wildcardSPF(name, wild, set); ok {
		return it, true
	}
	if types[set.Type] || hasAddress(types) && leadsToHost(set.Type) || !keptAtName(set.Type) {
		return it, false
	}
	return z.companion(name, wild, set), true
}

// keptAtName reports whether records of a type are put at a name beside others. Text is not:
// what a wildcard says in it is said of no name in particular. Nor is an alias, which stands alone.
func keptAtName(rrtype string) bool {
	return !slices.Contains([]string{"TXT", "SPF", "CNAME", "NS", "DNAME", "SOA", "RRSIG",
		"NSEC", "NSEC3"}, rrtype)
}

// wildcardSPF returns the SPF record that a wildcard gives a name: it says who may send in the name of
// hosts that are called so, and that is to stay true. ok is false where it gives none.
func (z *Zone) wildcardSPF(name, wild string, set record.RRset) (it plan.Item, ok bool) {
	spf := record.Target{RRset: set, Tag: "v=spf1"}
	for _, r := range z.last.Sets[set] {
		if set.Type == "TXT" && spf.Holds(r) {
			it.Lines = append(it.Lines, r.Data)
		}
	}

	it.Key = mail.TaggedTXT(name, spf.Tag)
	it.Stage = plan.StageRecord
	it.Reason = z.onlyWildcard(name, wild, "SPF record")

	return z.byHand(it), len(it.Lines) == 1
}

// hasAddress reports whether an address is wanted at a name: then it is the site's own host, and what a
// wildcard says of hosts is not true of it.
func hasAddress(types map[string]bool) bool { return types["A"] || types["AAAA"] }

// leadsToHost reports whether records of a type say where a host is reached.
func leadsToHost(rrtype string) bool {
	return slices.Contains([]string{"A", "AAAA", "HTTPS", "SVCB"}, rrtype)
}

// setsAt returns the RRsets at a name, in the order of their types.
func (z *Zone) setsAt(name string) []record.RRset {
	if z.byName == nil {
		z.byName = setsByName(z.last.Sets)
	}
	return z.byName[name]
}

func setsByName(all map[record.RRset][]record.Record) map[string][]record.RRset {
	byName := make(map[string][]record.RRset, len(all))
	for set, rs := range all {
		if len(rs) > 0 {
			byName[set.Name] = append(byName[set.Name], set)
		}
	}

	for _, sets := range byName {
		slices.SortFunc(sets, func(a, b record.RRset) int {
			return strings.Compare(a.Type, b.Type)
		})
	}

	return byName
}

// hasWildcard reports whether Read saw any wildcard.
func (z *Zone) hasWildcard() bool {
	for set, rs := range z.last.Sets {
		if len(rs) > 0 && strings.HasPrefix(set.Name, "*.") {
			return true
		}
	}
	return false
}

// wildcard returns the wildcard that answers for a name where the name does not exist; "" where
// none does.
func (z *Zone) wildcard(name string) string {
	for _, above, _ := strings.Cut(name, "."); above != ""; _, above, _ = strings.Cut(above,
		".") {
		if wild := "*." + above; len(z.setsAt(wild)) > 0 {
			return wild
		}
		if above == z.Name || z.last.Parents[above] || len(z.setsAt(above)) > 0 {
			return "" // the nearest name above that exists decides (RFC 4592 section 3.3.1)
		}
	}

	return ""
}

// formerWildcard returns the wildcard that answered for a name before mailpub put records at the names
// above it.
func (z *Zone) formerWildcard(name string, made func(plan.Key) bool) string {
	for _, above, _ := strings.Cut(name, "."); above != ""; _, above, _ = strings.Cut(above,
		".") {
		if wild := "*." + above; len(z.setsAt(wild)) > 0 {
			return wild
		}
		if above == z.Name || !z.madeAt(above, made) {
			return ""
		}
	}

	return ""
}

// madeAt reports whether all that is at a name is mailpub's.
func (z *Zone) madeAt(name string, made func(plan.Key) bool) bool {
	for _, set := range z.setsAt(name) {
		spf := set.Type == "TXT" && made(mail.TaggedTXT(name, "v=spf1"))
		if !spf && !made(mail.DNSKey(name, set.Type)) {
			return false
		}
	}
	return true
}

// needed reports whether a name has what the wildcard says by the wildcard alone, or has had it
// from mailpub since.
func (z *Zone) needed(name, rrtype string, made func(plan.Key) bool) bool {
	if made(mail.DNSKey(name, rrtype)) || rrtype == "TXT" &&
		made(mail.TaggedTXT(name, "v=spf1")) {
		return true
	}
	if len(z.last.Sets[record.RRset{Name: name, Type: rrtype}]) > 0 || z.last.Parents[name] {
		return false
	}

	for _, set := range z.setsAt(name) {
		if made(mail.DNSKey(name, set.Type)) {
			continue
		}

		spf := record.Target{RRset: set, Tag: "v=spf1"}
		others := slices.ContainsFunc(z.last.Sets[set], func(r record.Record) bool {
			return !spf.Holds(r)
		})

		if set.Type != "TXT" || others || !made(mail.TaggedTXT(name, "v=spf1")) {
			return false // the name exists of itself
		}
	}

	return true
}

func (z *Zone) companion(name, wild string, set record.RRset) plan.Item {
	it := plan.Item{Key: mail.DNSKey(name, set.Type), Stage: plan.StageAddress}
	for _, r := range z.last.Sets[set] {
		it.Lines = append(it.Lines, mail.RecordLine(r.Data, r.TTL))
	}
	slices.Sort(it.Lines)
	it.Reason = z.onlyWildcard(name, wild, set.Type)
	return z.byHand(it)
}

// byHand makes a person's work of an item where nobody else enters records.
func (z *Zone) byHand(it plan.Item) plan.Item {
	if z.manual {
		it.ByHand = "enter it in zone " + record.Bare(z.Name) +
			" before the others at the name: " + it.Reason
	}
	return it
}

func (z *Zone) onlyWildcard(name, wild, what string) string {
	return fmt.Sprintf("only the wildcard %s gave %s its %s, and no longer does once %s has records of its own (RFC 4592)",
		record.Bare(wild), record.Bare(name), what, record.Bare(name))
}

// aliasWildcard says why a record at a name can't be added as long as a wildcard alias alone answers
// for the name, or returns "".
func (z *Zone) aliasWildcard(name string) string {
	if name == z.Name || strings.Contains(name, "_") || len(z.setsAt(name)) > 0 ||
		z.last.Parents[name] {
		return ""
	}

	wild := z.wildcard(name)
	alias := z.last.Sets[record.RRset{Name: wild, Type: "CNAME"}]
	if wild == "" || len(alias) == 0 {
		return ""
	}

	return fmt.Sprintf("only the wildcard %s, an alias of %s, answers for %s, and no longer does once %s has records of its own (RFC 4592): "+
		"enter at %s what it is to keep of that, its address first", record.Bare(wild),
		record.Bare(alias[0].Data), record.Bare(name), record.Bare(name), record.Bare(name))
}
