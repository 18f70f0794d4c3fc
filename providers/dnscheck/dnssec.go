package dnscheck

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// dnssec checks the signatures of a zone as a validating resolver does, from the DS at the
// parent downwards, at every server of it. An unsigned zone has nothing to be wrong.
func (e *checkRun) dnssec(zone string, servers []string) {
	c := plan.Check{
		ID:      catalog.DNSSEC,
		Subject: subjectOf(zone),
		Status:  plan.Pass,
		Want:    "unsigned, or signatures that hold",
		Ref:     "RFC 4035 section 5",
	}

	keys, err := e.signed(servers, zone, dns.TypeDNSKEY)
	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}

	ds, err := e.Resolve(e.ctx, zone, "DS")
	if err != nil && len(keys.rrs) > 0 { // a resolver that validates answers SERVFAIL when it is bogus
		c.Status = plan.Warn
		c.Got = "cannot look up the DS record at the parent: " + err.Error()
		c.Hint = hintUnknown
		e.add(c)
		return
	}

	switch {
	case len(keys.rrs) == 0 && len(ds.Records) == 0:
		c.Got = "unsigned"
		c.Unused = true
		e.add(c)
		return
	case len(keys.rrs) == 0:
		c.Status = plan.Fail
		c.Got = "the parent has a DS, but the zone has no keys"
		c.Hint = "validating resolvers cannot resolve the zone: have the DS removed at the registrar, or sign the zone again"
		e.add(c)
		return
	}

	if name := unsupported(keys.rrs); name != "" {
		e.skip(c.ID, c.Subject, "its keys are of algorithm "+name+
			", and mailpub cannot verify its signatures",
			"check the zone with a resolver that validates "+name)
		return
	}

	problem, err := e.brokenSignatures(zone, servers)
	switch {
	case err != nil:
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	case problem != "":
		c.Status = plan.Fail
		c.Got = problem
		c.Hint = "validating resolvers cannot resolve the zone: sign it again, and check the clock and the signer"
	case len(ds.Records) == 0:
		c.Status = plan.Warn
		c.Got = "signed, but the parent has no DS"
		c.Hint = "resolvers do not validate the zone, and senders ignore its TLSA records: give the DS to the registrar"
		c.Advice = true
	case !isSigned(keys.rrs, ds):
		c.Status = plan.Fail
		c.Got = "no DNSKEY of the zone matches the DS at the parent"
		c.Hint = "validating resolvers cannot resolve the zone: give the DS of the current key to the registrar"
	default:
		c.Got = fmt.Sprintf("signed, with %d keys", len(keys.rrs))
	}

	e.add(c)
}

// unsupported returns the algorithm of the keys, where none of them can be checked with; "" else.
func unsupported(keys []dns.RR) (name string) {
	for _, rr := range keys {
		switch algorithm := rr.(*dns.DNSKEY).Algorithm; algorithm {
		case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
			return ""
		default:
			if name = dns.AlgorithmToString[algorithm]; name == "" {
				name = fmt.Sprint(algorithm)
			}
		}
	}

	return name
}

// brokenSignatures returns what is wrong at the first server where something is, or "": of the keys,
// and of what mail needs of the zone. A server that does not answer is dns.zone's to tell; the error
// is that none does.
func (e *checkRun) brokenSignatures(zone string, servers []string) (problem string, err error) {
	var errs []error
	asked := 0
	for _, s := range servers {
		if e.isOwn(s) {
			continue
		}

		one := []string{s}
		keys, err := e.signed(one, zone, dns.TypeDNSKEY)
		if err != nil {
			errs = append(errs, err)
			continue
		}

		asked++
		if len(keys.rrs) == 0 {
			return s + " has no keys of the zone", nil
		}
		if why := keys.problem(keys.rrs, time.Now()); why != "" {
			return why + " (at " + s + ")", nil
		}

		for _, q := range e.neededOf(zone) {
			set, err := e.signed(one, q.Name, dns.StringToType[q.Type])
			if err != nil || len(set.rrs) == 0 ||
				len(set.sigs) == 0 && mail.FQDN(e.ZoneAbove(e.ctx, q.Name)) != zone {
				continue
			}
			if why := set.problem(keys.rrs, time.Now()); why != "" {
				return fmt.Sprintf("%s: %s (at %s)", record.Bare(q.Name), why, s), nil
			}
		}
	}

	if asked == 0 && len(errs) > 0 {
		return "", resolver.JoinErrors(errs)
	}

	return "", nil
}

// signedSet is an RRset with its signatures.
type signedSet struct {
	rrs  []dns.RR
	sigs []*dns.RRSIG
}

// signed asks the first server that answers for an RRset with its signatures.
func (e *checkRun) signed(servers []string, zone string, rrtype uint16) (set signedSet, err error) {
	var errs []error
	for _, s := range servers {
		addr, err := resolver.HostPort(s)
		if err != nil {
			errs = append(errs, err)
			continue
		}

		m := new(dns.Msg).SetQuestion(zone, rrtype)
		m.RecursionDesired = false
		m.SetEdns0(1232, true)
		reply, err := e.Via.Exchange(e.ctx, m, addr)
		if err == nil {
			_, err = resolver.AnswerOf(reply, zone,
				rrtype) // a SERVFAIL says nothing, and no "unsigned"
		}

		if err != nil {
			errs = append(errs, resolver.ServerError{Server: addr, Err: err})
			continue
		}

		for _, rr := range reply.Answer {
			if sig, ok := rr.(*dns.RRSIG); ok {
				if sig.TypeCovered == rrtype {
					set.sigs = append(set.sigs, sig)
				}
			} else if rr.Header().Rrtype == rrtype && mail.FQDN(rr.Header().Name) == zone {
				set.rrs = append(set.rrs, rr)
			}
		}

		return set, nil
	}

	return set, resolver.JoinErrors(errs)
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
			why = fmt.Sprintf("the signature of %s is valid from %s to %s", what,
				dns.TimeToString(sig.Inception), dns.TimeToString(sig.Expiration))
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

// isSigned reports whether a DS at the parent stands for one of the keys (RFC 4034 section 5).
func isSigned(keys []dns.RR, ds resolver.Answer) bool {
	for _, rr := range keys {
		key := rr.(*dns.DNSKEY)
		for _, r := range ds.Records {
			is, err := dns.NewRR(r.Name + " DS " + r.Data)
			if err != nil {
				continue
			}

			d := is.(*dns.DS)
			if own := key.ToDS(d.DigestType); own != nil && own.KeyTag == d.KeyTag &&
				strings.EqualFold(own.Digest, d.Digest) {
				return true
			}
		}
	}

	return false
}
