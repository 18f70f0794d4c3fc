package authdns

import (
	"github.com/miekg/dns"
)

// zoneOf returns the zone that holds name: the longest one it lies within.
func (s *Server) zoneOf(name string) *zone {
	s.mu.RLock()
	defer s.mu.RUnlock()

	var best *zone
	for origin, z := range s.zones {
		if dns.IsSubDomain(origin, name) && (best == nil || len(origin) > len(best.origin)) {
			best = z
		}
	}

	return best
}

// maxChain bounds the CNAMEs followed in one answer, so that a loop ends.
const maxChain = 8

// answer fills in the reply to a query (RFC 1034 section 4.3.2). Signatures that the zone's
// text has go along where they are asked for (RFC 4035 section 3.1.1); none are made.
func (s *Server) answer(reply *dns.Msg, q dns.Question, signatures bool) {
	z := s.zoneOf(q.Name)
	if z == nil {
		reply.Rcode = dns.RcodeRefused
		return
	}

	reply.Authoritative = true
	name := q.Name
	for range maxChain {
		sets := z.names[dns.CanonicalName(name)]
		found := z.exists(name)
		if !found {
			sets = z.wildcard(name)
			found = sets != nil
		}

		rrs := sets[q.Qtype]
		if q.Qtype == dns.TypeANY {
			for _, set := range sets {
				rrs = append(rrs, set...)
			}
		}

		if len(rrs) > 0 {
			reply.Answer = append(reply.Answer, renamed(rrs, name)...)
			for _, rr := range sets[dns.TypeRRSIG] {
				if signatures && rr.(*dns.RRSIG).TypeCovered == q.Qtype {
					reply.Answer = append(reply.Answer, dns.Copy(rr))
				}
			}
			return
		}

		if alias := sets[dns.TypeCNAME]; alias != nil {
			reply.Answer = append(reply.Answer, renamed(alias, name)...)
			name = alias[0].(*dns.CNAME).Target
			if z = s.zoneOf(name); z == nil {
				return
			}
			continue
		}

		if !found {
			reply.Rcode = dns.RcodeNameError
		}

		reply.Ns = []dns.RR{negative(z)}
		return
	}
}

// renamed gives records made from a wildcard the name that was asked for.
func renamed(rrs []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// negative returns the SOA that goes with an empty answer, with the TTL for which that
// may be remembered (RFC 2308 section 5).
func negative(z *zone) dns.RR {
	soa := dns.Copy(z.soa()).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return soa
}

// transfer sends the zone to the key's holder over TCP (RFC 5936) and returns
// dns.RcodeSuccess when it did, else the code to refuse with. An IXFR is answered with the
// whole zone too (RFC 1995 section 4).
func (s *Server) transfer(w dns.ResponseWriter, req *dns.Msg, signed bool) int {
	s.mu.RLock()
	z := s.zones[dns.CanonicalName(req.Question[0].Name)]
	s.mu.RUnlock()

	switch {
	case z == nil:
		return dns.RcodeNotAuth
	case !signed || s.cfg.NoTransfer || w.RemoteAddr().Network() != "tcp":
		return dns.RcodeRefused
	}

	rrs := append(z.records(), z.soa())
	ch := make(chan *dns.Envelope)
	sent := make(chan error, 1)
	go func() {
		err := new(dns.Transfer).Out(w, req, ch)
		for range ch { // whatever was not sent any more
		}
		sent <- err
	}()

	const chunk = 100
	for len(rrs) > 0 {
		n := min(chunk, len(rrs))
		ch <- &dns.Envelope{RR: rrs[:n]}
		rrs = rrs[n:]
	}

	close(ch)
	if err := <-sent; err != nil {
		s.log.Warn("zone transfer broken off", "zone", z.origin, "to", w.RemoteAddr(), "err",
			err)
	}

	return dns.RcodeSuccess
}
