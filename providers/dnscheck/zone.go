package dnscheck

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// zones checks that each zone is served, and that its signatures hold.
func (e *checkRun) zones() {
	for _, zone := range e.Zones {
		zone = mail.FQDN(zone)
		servers, err := e.NameServers(e.ctx, zone)
		if err != nil { // a resolver can't tell whom nobody answers for; the parent can
			servers, err = e.referred(zone, err)
		}

		if err != nil {
			e.skip(catalog.DNSZone, subjectOf(zone), err.Error(), hintUnknown)
			e.skip(catalog.DNSSEC, subjectOf(zone), err.Error(), hintUnknown)
			continue
		}

		e.served(zone, servers)
		e.dnssec(zone, servers)
	}
}

// served asks every name server of a zone for its SOA, and compares what they say.
func (e *checkRun) served(zone string, servers []string) {
	c := plan.Check{
		ID:      catalog.DNSZone,
		Subject: subjectOf(zone),
		Status:  plan.Pass,
		Want:    "every name server answers alike",
		Ref:     "RFC 1034 section 4.2.2, RFC 2182",
	}

	serials := map[string][]string{}
	primaries := map[string]bool{}
	var silent, lame, holding, own, noWay []string

	for _, s := range servers {
		if e.isOwn(s) {
			own = append(own, s)
			continue
		}

		a, err := e.Ask(e.ctx, resolver.Source{Addr: s, Authority: true}, zone, "SOA")
		switch {
		case err == nil && a.Authoritative && len(a.Records) == 1:
			serial := strings.Fields(a.Records[0].Data)[2]
			primaries[soaOwner(a)] = true
			serials[serial] = append(serials[serial], s)
			holding = append(holding, s)
		case err != nil && noIPv6(s, err):
			noWay = append(noWay, s)
		case err != nil && !isAnswer(err):
			silent = append(silent, err.Error())
		default:
			lame = append(lame, s)
		}
	}

	differ := e.differ(zone, holding)
	switch {
	case len(lame) > 0:
		c.Status = plan.Fail
		c.Got = strings.Join(lame, ", ") + " answers, but does not hold the zone"
		c.Reason = plan.ReasonPartly
		c.Hint = "let that server serve the zone, or take it out of the zone's NS records and of those at the parent"
	case len(holding) == 0 && len(own) > 0:
		e.inside(&c, own)
	case len(holding) == 0 && e.online(zone):
		c.Status = plan.Fail
		c.Got = "none answers: " + strings.Join(silent, "; ")
		c.Reason = plan.ReasonSilent
		c.Hint = "the domain cannot be resolved until one does: start the name servers, or have the delegation corrected (at the registrar)"
	case len(holding) == 0:
		c.Status = plan.Skip
		c.Got = strings.Join(silent, "; ")
		c.Hint = hintUnknown
		c.Reason = plan.ReasonSilent
	case differ != "":
		c.Status = plan.Fail
		c.Got = differ
		c.Hint = "a resolver that asks the wrong one gets the wrong answer: if a change is still propagating, run verify again soon; otherwise repair the zone transfer"
	case len(silent) > 0:
		c.Status = plan.Warn
		c.Got = "not all answer: " + strings.Join(silent, "; ")
		c.Reason = plan.ReasonPartly
		c.Hint = "start that server, or take it out of the zone's NS records; " + hintUnknown
	case len(serials) > 1 && len(primaries) > 1:
		c.Got = fmt.Sprintf("%d of them, from %d primaries that count their own serials and say the same",
			len(holding), len(primaries))
	case len(serials) > 1:
		var said []string
		for _, serial := range slices.Sorted(maps.Keys(serials)) {
			said = append(said, serial+" at "+strings.Join(serials[serial], ", "))
		}
		c.Status = plan.Warn
		c.Got = "serials differ: " + strings.Join(said, "; ")
		c.Hint = "a change is on its way from one server to the other; where it stays so, the transfer between them fails"
	case len(own) > 0:
		e.inside(&c, own)
	default:
		c.Got = fmt.Sprintf("%d of them, with serial %s", len(servers),
			slices.Collect(maps.Keys(serials))[0])
	}

	if len(noWay) > 0 {
		c.Got += "; " + strings.Join(noWay, ", ") + " was not asked: this network has no IPv6"
	}

	e.add(c)
}

// inside says of a zone that some of its servers can't be judged from inside.
func (e *checkRun) inside(c *plan.Check, own []string) {
	c.Status = plan.Skip
	c.Reason = plan.ReasonUnseen
	c.Got = strings.Join(own, ", ") + " is at this network's own public address: an answer from inside, or none, proves nothing"
	c.Hint = "query it from another network: dig @SERVER " + c.Subject.Name +
		" SOA; or list the zone's servers by their addresses inside in its nameservers"
}

// differ says where servers that hold a zone do not agree on what mail needs of it, or "".
func (e *checkRun) differ(zone string, servers []string) string {
	ask := []record.RRset{{Name: zone, Type: "NS"}}
	for _, d := range e.Domains {
		ask = append(ask, record.RRset{
			Name: mail.FQDN(d.Name),
			Type: "MX",
		}, record.RRset{
			Name: mail.FQDN(d.Name),
			Type: "TXT",
		})
	}

	ask = append(ask, record.RRset{
		Name: e.Host,
		Type: "A",
	}, record.RRset{
		Name: e.Host,
		Type: "AAAA",
	})

	for _, q := range ask {
		if !mail.Within(q.Name, zone) {
			continue
		}

		first, at := "", ""
		for _, s := range servers {
			a, err := e.Ask(e.ctx, resolver.Source{Addr: s, Authority: true}, q.Name, q.Type)
			switch now := answerSummary(a); {
			case err != nil:
			case at == "":
				first, at = now, s
			case now != first:
				return fmt.Sprintf("%s %s is %s at %s, and %s at %s", record.Bare(q.Name),
					q.Type, shortened(first), at, shortened(now), s)
			}
		}
	}

	return ""
}

// online reports whether a resolver says anything about the world above a zone: then it is not
// this machine's own network that is silent.
func (e *checkRun) online(zone string) bool {
	_, parent, _ := strings.Cut(zone, ".")
	_, err := e.Resolve(e.ctx, mail.FQDN(parent), "NS")
	return err == nil || isAnswer(err)
}

// referred returns the servers that the parent names for a zone, at the addresses it gives
// along, or else that the world has. why is the error where that can't be found out either.
func (e *checkRun) referred(zone string, why error) ([]string, error) {
	r, err := e.refers(zone)
	if err != nil {
		return nil, why
	}

	var servers []string
	for _, host := range r.hosts {
		addrs := r.glue[host]
		if len(addrs) == 0 {
			if a, err := e.Resolve(e.ctx, host, "A"); err == nil {
				addrs = a.Data()
			}
		}

		if len(addrs) > 0 {
			servers = append(servers, net.JoinHostPort(addrs[0], e.NSPort))
		}
	}

	if servers == nil {
		return nil, why
	}

	return servers, nil
}

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
