package authdns

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// zone is the content of one zone. Updates work on a clone; the records themselves are
// never changed once they are in.
type zone struct {
	origin string
	names  map[string]map[uint16][]dns.RR // by canonical owner name, then type
}

// parseZone reads zone-file text. The zone must have one SOA and at least one NS at its
// apex (RFC 1035 section 5.2).
func parseZone(name, text string) (*zone, error) {
	z := &zone{origin: dns.CanonicalName(name), names: map[string]map[uint16][]dns.RR{}}
	p := dns.NewZoneParser(strings.NewReader(text), z.origin, "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if !dns.IsSubDomain(z.origin, rr.Header().Name) {
			return nil, fmt.Errorf("zone %s: %q lies outside", z.origin, rr.Header().Name)
		}
		z.add(rr)
	}

	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("zone %s: %w", z.origin, err)
	}
	if len(z.set(z.origin, dns.TypeSOA)) != 1 || len(z.set(z.origin, dns.TypeNS)) == 0 {
		return nil, fmt.Errorf("zone %s: want one SOA and at least one NS at the apex",
			z.origin)
	}

	return z, nil
}

func (z *zone) clone() *zone {
	c := &zone{origin: z.origin, names: make(map[string]map[uint16][]dns.RR, len(z.names))}
	for name, sets := range z.names {
		c.names[name] = maps.Clone(sets)
	}
	return c
}

func (z *zone) set(name string, rrtype uint16) []dns.RR {
	return z.names[dns.CanonicalName(name)][rrtype]
}

// put makes rrs the RRset; an empty one is removed.
func (z *zone) put(name string, rrtype uint16, rrs []dns.RR) {
	name = dns.CanonicalName(name)
	if len(rrs) == 0 {
		delete(z.names[name], rrtype)
		if len(z.names[name]) == 0 {
			delete(z.names, name)
		}
		return
	}

	if z.names[name] == nil {
		z.names[name] = map[uint16][]dns.RR{}
	}

	z.names[name][rrtype] = rrs
}

// add puts a record into its RRset. A duplicate is replaced, and the whole RRset takes
// the newcomer's TTL (RFC 2181 section 5.2, RFC 2136 section 3.4.2.2).
func (z *zone) add(rr dns.RR) {
	h := rr.Header()
	rrs := slices.Clone(z.set(h.Name, h.Rrtype))
	there := false

	for i, old := range rrs {
		switch {
		case dns.IsDuplicate(old, rr):
			rrs[i] = rr
			there = true
		case old.Header().Ttl != h.Ttl:
			rrs[i] = dns.Copy(old)
			rrs[i].Header().Ttl = h.Ttl
		}
	}

	if !there {
		rrs = append(rrs, rr)
	}

	z.put(h.Name, h.Rrtype, rrs)
}

func (z *zone) soa() *dns.SOA { return z.set(z.origin, dns.TypeSOA)[0].(*dns.SOA) }

// bump raises the serial by one; zero is left out (RFC 1982, RFC 2136 section 3.6).
func (z *zone) bump() {
	soa := dns.Copy(z.soa()).(*dns.SOA)
	if soa.Serial++; soa.Serial == 0 {
		soa.Serial = 1
	}
	z.put(z.origin, dns.TypeSOA, []dns.RR{soa})
}

// records returns every record, the SOA first and the rest by name and type.
func (z *zone) records() []dns.RR {
	out := []dns.RR{z.soa()}
	for _, name := range slices.Sorted(maps.Keys(z.names)) {
		for _, rrtype := range slices.Sorted(maps.Keys(z.names[name])) {
			if rrtype != dns.TypeSOA {
				out = append(out, z.names[name][rrtype]...)
			}
		}
	}

	return out
}

func (z *zone) dump() []string {
	lines := []string{}
	for _, rr := range z.records()[1:] {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	slices.Sort(lines)
	return lines
}

// exists reports whether name or anything below it is in the zone: a name with nothing
// of its own between two that have something exists too (RFC 4592 section 2.2.2).
func (z *zone) exists(name string) bool {
	name = dns.CanonicalName(name)
	if z.names[name] != nil {
		return true
	}

	for other := range z.names {
		if strings.HasSuffix(other, "."+name) {
			return true
		}
	}

	return false
}

// wildcard returns the RRsets from which an answer for a name that does not exist is
// made: those of "*" under its closest ancestor that exists (RFC 4592 section 3.3.1).
func (z *zone) wildcard(name string) map[uint16][]dns.RR {
	for name = dns.CanonicalName(name); name != z.origin; {
		_, parent, _ := strings.Cut(name, ".")
		if z.exists(parent) || parent == z.origin {
			return z.names["*."+parent]
		}
		name = parent
	}

	return nil
}
