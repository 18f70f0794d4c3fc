package providers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
)

// zones checks that each zone is served, and that its signatures hold.
func (e *examiner) zones() {
	for _, zone := range e.Zones {
		zone = plan.FQDN(zone)
		servers, err := e.authorities(e.ctx, zone)
		if err != nil {
			e.skip("dns.zone", bare(zone), err.Error(), hintUnknown)
			e.skip("dns.dnssec", bare(zone), err.Error(), hintUnknown)
			continue
		}
		e.served(zone, servers)
		e.dnssec(zone, servers)
	}
}

// served asks every name server of a zone for its SOA.
func (e *examiner) served(zone string, servers []string) {
	c := plan.Check{ID: "dns.zone", Subject: bare(zone), Status: plan.Pass, Want: "every name server answers alike", Ref: "RFC 1034 section 4.2.2, RFC 2182"}
	serials := map[string][]string{}
	var silent, lame []string
	for _, s := range servers {
		a, err := e.ask(e.ctx, place{s, true}, zone, "SOA")
		switch {
		case err == nil && a.Authoritative && len(a.Records) == 1:
			serial := strings.Fields(a.Records[0].Data)[2]
			serials[serial] = append(serials[serial], s)
		case err != nil && !spoke(err):
			silent = append(silent, err.Error())
		default:
			lame = append(lame, s)
		}
	}
	switch {
	case len(lame) > 0:
		c.Status, c.Got = plan.Fail, strings.Join(lame, ", ")+" answers, but does not hold the zone"
		c.Hint = "let that server serve the zone, or take it out of the zone's NS records and of those at the parent"
	case len(serials) == 0:
		c.Status, c.Got, c.Hint = plan.Skip, strings.Join(silent, "; "), hintUnknown
	case len(silent) > 0:
		c.Status, c.Got, c.Hint = plan.Warn, "not all answer: "+strings.Join(silent, "; "), "start that server, or take it out of the zone's NS records; "+hintUnknown
	case len(serials) > 1:
		var said []string
		for _, serial := range slices.Sorted(maps.Keys(serials)) {
			said = append(said, serial+" at "+strings.Join(serials[serial], ", "))
		}
		c.Status, c.Got = plan.Warn, "serials differ: "+strings.Join(said, "; ")
		c.Hint = "a change is on its way from one server to the other; where it stays so, the transfer between them fails"
	default:
		c.Got = fmt.Sprintf("%d of them, with serial %s", len(servers), slices.Collect(maps.Keys(serials))[0])
	}
	e.add(c)
}

// spoke reports whether a server said something, if only that it knows nothing.
func spoke(err error) bool {
	var s ServerError
	return errors.As(err, &s) && (strings.Contains(s.Err.Error(), dns.RcodeToString[dns.RcodeRefused]) || strings.Contains(s.Err.Error(), "not authoritative") ||
		strings.Contains(s.Err.Error(), "NOTAUTH"))
}

// dnssec checks the signatures of a zone as a validating resolver does, from the DS at the
// parent downwards. An unsigned zone has nothing to be wrong.
func (e *examiner) dnssec(zone string, servers []string) {
	c := plan.Check{ID: "dns.dnssec", Subject: bare(zone), Status: plan.Pass, Want: "unsigned, or signatures that hold", Ref: "RFC 4035 section 5"}
	keys, err := e.signed(servers, zone, dns.TypeDNSKEY)
	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}
	ds, err := e.resolve(e.ctx, zone, "DS")
	if err != nil && len(keys.rrs) > 0 { // a resolver that validates answers SERVFAIL when it is bogus
		c.Status, c.Got, c.Hint = plan.Warn, "the DS at the parent can't be had: "+err.Error(), hintUnknown
		e.add(c)
		return
	}
	switch {
	case len(keys.rrs) == 0 && len(ds.Records) == 0:
		c.Got = "unsigned"
		e.add(c)
		return
	case len(keys.rrs) == 0:
		c.Status, c.Got = plan.Fail, "the parent has a DS, but the zone has no keys"
		c.Hint = "whoever validates can't resolve the zone at all: have the DS removed at the registrar, or sign the zone again"
		e.add(c)
		return
	}
	problem := keys.problem(keys.rrs, time.Now())
	for _, t := range []uint16{dns.TypeSOA, dns.TypeMX} {
		if problem != "" {
			break
		}
		set, err := e.signed(servers, zone, t)
		if err != nil {
			e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
			return
		}
		if len(set.rrs) > 0 {
			problem = set.problem(keys.rrs, time.Now())
		}
	}
	switch {
	case problem != "":
		c.Status, c.Got = plan.Fail, problem
		c.Hint = "whoever validates can't resolve the zone: sign it again, and see that its clock and its signing run"
	case len(ds.Records) == 0:
		c.Status, c.Got = plan.Warn, "signed, but the parent has no DS"
		c.Hint = "nobody validates the zone, and nobody heeds its TLSA records: give the DS to the registrar"
		c.Advice = true
	case !vouched(keys.rrs, ds):
		c.Status, c.Got = plan.Fail, "no key of the zone is one that the parent's DS stands for"
		c.Hint = "whoever validates can't resolve the zone at all: give the DS of the present key to the registrar"
	default:
		c.Got = fmt.Sprintf("signed, with %d keys", len(keys.rrs))
	}
	e.add(c)
}

// signedSet is an RRset with its signatures.
type signedSet struct {
	rrs  []dns.RR
	sigs []*dns.RRSIG
}

// signed asks the first server that answers for an RRset with its signatures.
func (e *examiner) signed(servers []string, zone string, rrtype uint16) (set signedSet, err error) {
	var errs []error
	for _, s := range servers {
		addr, err := hostPort(s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m := new(dns.Msg).SetQuestion(zone, rrtype)
		m.RecursionDesired = false
		m.SetEdns0(1232, true)
		reply, err := e.resolver.exchange(e.ctx, m, addr)
		if err == nil {
			_, err = answerOf(reply, zone, rrtype) // a SERVFAIL says nothing, and no "unsigned"
		}
		if err != nil {
			errs = append(errs, ServerError{addr, err})
			continue
		}
		for _, rr := range reply.Answer {
			if sig, ok := rr.(*dns.RRSIG); ok {
				if sig.TypeCovered == rrtype {
					set.sigs = append(set.sigs, sig)
				}
			} else if rr.Header().Rrtype == rrtype && plan.FQDN(rr.Header().Name) == zone {
				set.rrs = append(set.rrs, rr)
			}
		}
		return set, nil
	}
	return set, joined(errs)
}

// problem says why no signature of the set is one that a key made and that is valid now, or "".
func (s signedSet) problem(keys []dns.RR, now time.Time) string {
	what := dns.TypeToString[s.rrs[0].Header().Rrtype]
	if len(s.sigs) == 0 {
		return "the " + what + " records have no signature"
	}
	why := ""
	for _, sig := range s.sigs {
		if !sig.ValidityPeriod(now) {
			why = fmt.Sprintf("the signature of %s is valid from %s to %s", what, dns.TimeToString(sig.Inception), dns.TimeToString(sig.Expiration))
			continue
		}
		for _, rr := range keys {
			key := rr.(*dns.DNSKEY)
			if key.KeyTag() == sig.KeyTag && sig.Verify(key, s.rrs) == nil {
				return ""
			}
		}
		if why == "" {
			why = fmt.Sprintf("the signature of %s is of no key of the zone", what)
		}
	}
	return why
}

// vouched reports whether a DS at the parent stands for one of the keys (RFC 4034 section 5).
func vouched(keys []dns.RR, ds Answer) bool {
	for _, rr := range keys {
		key := rr.(*dns.DNSKEY)
		for _, r := range ds.Records {
			is, err := dns.NewRR(r.Name + " DS " + r.Data)
			if err != nil {
				continue
			}
			d := is.(*dns.DS)
			if own := key.ToDS(d.DigestType); own != nil && own.KeyTag == d.KeyTag && strings.EqualFold(own.Digest, d.Digest) {
				return true
			}
		}
	}
	return false
}
