package authdns

import (
	"github.com/miekg/dns"
)

// update carries out a dynamic update whole or not at all (RFC 2136 section 3) and
// returns the response code.
func (s *Server) update(req *dns.Msg, signed bool) int {
	origin := dns.CanonicalName(req.Question[0].Name)
	if req.Question[0].Qtype != dns.TypeSOA {
		return dns.RcodeFormatError // section 3.1.1
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	z := s.zones[origin]
	switch {
	case z == nil:
		return dns.RcodeNotAuth // section 3.1.2
	case !signed:
		return dns.RcodeRefused // section 3.3
	}

	if code := z.prerequisites(req.Answer); code != dns.RcodeSuccess {
		return code
	}
	if code := z.prescan(req.Ns); code != dns.RcodeSuccess {
		return code
	}

	next := z.clone()
	for _, rr := range req.Ns {
		next.apply(rr)
	}

	if changed(z, next) {
		if next.soa().Serial == z.soa().Serial {
			next.bump()
		}
		s.zones[origin] = next
		s.log.Info("dns zone updated", "zone", origin, "serial", next.soa().Serial)
	}

	return dns.RcodeSuccess
}

func changed(a, b *zone) bool {
	x := a.records()
	y := b.records()
	if len(x) != len(y) {
		return true
	}

	for i := range x {
		if x[i].String() != y[i].String() {
			return true
		}
	}

	return false
}

// prerequisites checks what the sender relies on (RFC 2136 section 3.2).
func (z *zone) prerequisites(rrs []dns.RR) int {
	type set struct {
		name   string
		rrtype uint16
	}

	wanted := map[set][]dns.RR{}
	for _, rr := range rrs {
		h := rr.Header()
		if h.Ttl != 0 {
			return dns.RcodeFormatError
		}
		if !dns.IsSubDomain(z.origin, h.Name) {
			return dns.RcodeNotZone
		}

		inUse := z.names[dns.CanonicalName(h.Name)] != nil
		hasSet := len(z.set(h.Name, h.Rrtype)) > 0
		switch {
		case h.Class == dns.ClassANY && h.Rrtype == dns.TypeANY: // section 2.4.4
			if !inUse {
				return dns.RcodeNameError
			}
		case h.Class == dns.ClassANY: // section 2.4.1
			if !hasSet {
				return dns.RcodeNXRrset
			}
		case h.Class == dns.ClassNONE && h.Rrtype == dns.TypeANY: // section 2.4.5
			if inUse {
				return dns.RcodeYXDomain
			}
		case h.Class == dns.ClassNONE: // section 2.4.3
			if hasSet {
				return dns.RcodeYXRrset
			}
		case h.Class == dns.ClassINET: // section 2.4.2
			key := set{dns.CanonicalName(h.Name), h.Rrtype}
			wanted[key] = append(wanted[key], rr)
		default:
			return dns.RcodeFormatError
		}
	}

	for key, want := range wanted {
		if !sameSet(z.set(key.name, key.rrtype), want) {
			return dns.RcodeNXRrset
		}
	}

	return dns.RcodeSuccess
}

func sameSet(have, want []dns.RR) bool {
	if len(have) != len(want) {
		return false
	}

	for _, w := range want {
		if !contains(have, w) {
			return false
		}
	}

	return true
}

// contains compares without regard to class and TTL.
func contains(rrs []dns.RR, rr dns.RR) bool {
	rr = dns.Copy(rr)
	rr.Header().Class = dns.ClassINET
	for _, have := range rrs {
		if dns.IsDuplicate(have, rr) {
			return true
		}
	}

	return false
}

// prescan refuses what is malformed before anything is done (RFC 2136 section 3.4.1).
func (z *zone) prescan(rrs []dns.RR) int {
	for _, rr := range rrs {
		h := rr.Header()
		if !dns.IsSubDomain(z.origin, h.Name) {
			return dns.RcodeNotZone
		}

		_, bare := rr.(*dns.RR_Header)
		meta := h.Rrtype >= 128 && h.Rrtype <= 255 // RFC 6895 section 3.1: no data types
		ok := false

		switch h.Class {
		case dns.ClassINET:
			ok = !meta && !bare
		case dns.ClassANY:
			ok = h.Ttl == 0 && h.Rdlength == 0 && (!meta || h.Rrtype == dns.TypeANY)
		case dns.ClassNONE:
			ok = h.Ttl == 0 && !meta
		}

		if !ok {
			return dns.RcodeFormatError
		}
	}

	return dns.RcodeSuccess
}

// apply carries out one record of the update section (RFC 2136 section 3.4.2). What
// would break the zone is left undone without an error, as the RFC has it.
func (z *zone) apply(rr dns.RR) {
	h := rr.Header()
	apex := dns.CanonicalName(h.Name) == z.origin
	kept := func(rrtype uint16) bool { // section 3.4.2.3
		return apex && (rrtype == dns.TypeSOA || rrtype == dns.TypeNS)
	}

	switch {
	case h.Class == dns.ClassINET:
		z.insert(rr)
	case h.Class == dns.ClassANY && h.Rrtype == dns.TypeANY:
		for rrtype := range z.names[dns.CanonicalName(h.Name)] {
			if !kept(rrtype) {
				z.put(h.Name, rrtype, nil)
			}
		}
	case h.Class == dns.ClassANY:
		if !kept(h.Rrtype) {
			z.put(h.Name, h.Rrtype, nil)
		}
	case h.Class == dns.ClassNONE:
		z.remove(rr, apex)
	}
}

func (z *zone) insert(rr dns.RR) {
	h := rr.Header()
	sets := z.names[dns.CanonicalName(h.Name)]
	switch {
	case h.Rrtype == dns.TypeSOA: // only at the apex, and only forward
		soa := rr.(*dns.SOA)
		if dns.CanonicalName(h.Name) == z.origin && int32(soa.Serial-z.soa().Serial) > 0 {
			z.put(z.origin, dns.TypeSOA, []dns.RR{rr})
		}
	case h.Rrtype == dns.TypeCNAME && len(sets) > 0 && sets[dns.TypeCNAME] == nil:
	case h.Rrtype != dns.TypeCNAME && sets[dns.TypeCNAME] != nil:
	case h.Rrtype == dns.TypeCNAME:
		z.put(h.Name, h.Rrtype, []dns.RR{rr})
	default:
		z.add(rr)
	}
}

func (z *zone) remove(rr dns.RR, apex bool) {
	h := rr.Header()
	set := z.set(h.Name, h.Rrtype)
	if h.Rrtype == dns.TypeSOA || apex && h.Rrtype == dns.TypeNS && len(set) == 1 {
		return // section 3.4.2.4
	}

	var left []dns.RR
	for _, have := range set {
		if !contains([]dns.RR{have}, rr) {
			left = append(left, have)
		}
	}

	z.put(h.Name, h.Rrtype, left)
}
