package dnscheck

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// delegations compares what the parent says of each zone's name servers with what the zone says.
func (e *checkRun) delegations() {
	for _, zone := range e.Zones {
		e.delegated(mail.FQDN(zone))
	}
}

// referral is what a parent says of a zone.
type referral struct {
	server string
	hosts  []string            // of the NS records, sorted
	glue   map[string][]string // addresses by host, of those that came along
}

func (e *checkRun) delegated(zone string) {
	c := plan.Check{
		ID:      catalog.DNSDelegation,
		Subject: subjectOf(zone),
		Status:  plan.Pass,
		Want:    "the parent names the zone's own name servers, at their addresses",
		Ref:     "RFC 1034 section 4.2.2",
	}

	unknown := func(err error) {
		e.skip(c.ID, c.Subject, err.Error(),
			"see that the parent's name servers can be asked from here; for a zone that only exists inside there is nothing to see")
	}

	own, err := e.Authoritative(e.ctx, zone, "NS")
	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}

	parent, err := e.refers(zone)
	if err != nil {
		unknown(err)
		return
	}

	c.Got = strings.Join(parent.hosts, ", ")
	wrong := e.wrongGlue(zone, parent)
	hosts := slices.Sorted(slices.Values(own.Data()))
	missing := without(parent.hosts, hosts)

	switch lame := e.lame(zone, parent.hosts); {
	case len(lame) > 0:
		c.Status = plan.Fail
		c.Got = "the parent names " + strings.Join(lame, ", ") +
			", where the zone is not served"
		c.Hint = "every resolver that comes there finds nothing: have the name servers corrected at the registrar, or let that server serve the zone"
	case len(wrong) > 0:
		c.Status = plan.Fail
		c.Got = strings.Join(wrong, "; ")
		c.Hint = "have the addresses of the name servers (glue, \"host records\") corrected at the registrar"
	case len(missing) > 0:
		c.Status = plan.Warn
		c.Got = "the parent names " + strings.Join(missing, ", ") + ", the zone does not"
		c.Hint = "let the NS records of the zone be those at the registrar"
	case len(without(hosts, parent.hosts)) > 0:
		c.Status, c.Got = plan.Warn, "the zone names "+
			strings.Join(without(hosts, parent.hosts), ", ")+", the parent does not"
		c.Hint = "give these name servers to the registrar too, or take them out of the zone's NS records"
	}

	e.add(c)
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		return slices.Contains(other, s)
	})
}

// refers asks the parent's servers, in turn, whom they refer to.
func (e *checkRun) refers(zone string) (referral, error) {
	_, parent, _ := strings.Cut(zone, ".")
	servers, err := e.NameServers(e.ctx, mail.FQDN(parent))
	if err != nil {
		return referral{}, err
	}

	var errs []error
	for _, s := range servers {
		r, err := e.referral(e.ctx, s, zone)
		if err == nil {
			return r, nil
		}
		errs = append(errs, err)
	}

	return referral{}, resolver.JoinErrors(errs)
}

// referral asks one server of the parent. A server that has the zone itself answers, which says
// nothing of the delegation: such an answer is taken for the parent's word too.
func (e *checkRun) referral(ctx context.Context, server, zone string) (r referral, err error) {
	addr, err := resolver.HostPort(server)
	if err != nil {
		return r, err
	}

	m := new(dns.Msg).SetQuestion(zone, dns.TypeNS)
	m.RecursionDesired = false
	m.SetEdns0(1232, false)
	reply, err := e.Via.Exchange(ctx, m, addr)
	if err != nil {
		return r, resolver.ServerError{Server: addr, Err: err}
	}

	r = referral{server: addr, glue: map[string][]string{}}
	for _, rr := range slices.Concat(reply.Answer, reply.Ns) {
		if ns, ok := rr.(*dns.NS); ok && mail.FQDN(ns.Hdr.Name) == zone {
			r.hosts = append(r.hosts, mail.FQDN(ns.Ns))
		}
	}

	for _, rr := range reply.Extra {
		switch rr := rr.(type) {
		case *dns.A:
			r.glue[mail.FQDN(rr.Hdr.Name)] = append(r.glue[mail.FQDN(rr.Hdr.Name)],
				rr.A.String())
		case *dns.AAAA:
			r.glue[mail.FQDN(rr.Hdr.Name)] = append(r.glue[mail.FQDN(rr.Hdr.Name)],
				rr.AAAA.String())
		}
	}

	if r.hosts = slices.Sorted(slices.Values(r.hosts)); len(r.hosts) == 0 {
		return r, resolver.ServerError{
			Server: addr,
			Err: fmt.Errorf("the parent does not delegate %s (%s)", record.Bare(zone),
				dns.RcodeToString[reply.Rcode]),
		}
	}

	return r, nil
}

// wrongGlue says where an address that the parent gives along is not one that the zone has.
func (e *checkRun) wrongGlue(zone string, parent referral) (wrong []string) {
	for _, host := range parent.hosts {
		if !mail.Within(host, zone) {
			continue // nobody uses glue for a name that the zone does not hold
		}

		var has []string
		known := true
		for _, t := range []string{"A", "AAAA"} {
			a, err := e.Authoritative(e.ctx, host, t)
			known = known && err == nil
			for _, addr := range a.Addresses() {
				has = append(has, addr.String())
			}
		}

		glue := parent.glue[host]
		switch {
		case !known:
		case len(glue) == 0:
			wrong = append(wrong, record.Bare(host)+
				" has no glue at the parent: resolvers cannot find its address")
		case len(without(glue, has)) > 0:
			wrong = append(wrong, fmt.Sprintf("%s is at %s, the parent says %s",
				record.Bare(host), strings.Join(has, ", "), strings.Join(glue, ", ")))
		}
	}

	return wrong
}

// lame returns the hosts at which the zone is not served though they answer.
func (e *checkRun) lame(zone string, hosts []string) (lame []string) {
	for _, host := range hosts {
		a, err := e.Authoritative(e.ctx, host, "A")
		if err != nil || a.Status != resolver.Found || e.isOwn(a.Records[0].Data) {
			continue
		}

		soa, err := e.Ask(e.ctx, resolver.Source{
			Addr:      net.JoinHostPort(a.Records[0].Data, e.NSPort),
			Authority: true,
		}, zone, "SOA")

		if err == nil && !soa.Authoritative || err != nil && isAnswer(err) {
			lame = append(lame, host)
		}
	}

	return lame
}
