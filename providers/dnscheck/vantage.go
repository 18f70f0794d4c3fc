package dnscheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// A resolver inside a network may not say what the world sees: it serves a zone of its own under
// the name (an Active Directory domain), or answers some names itself (an override for hosts that
// the router does not lead back inside). Such answers are right where they are, and say nothing
// of what is published.

// insideView reports whether a resolver's answers about a name are its own, and not what is published.
func (e *checkRun) insideView(server, name string) bool {
	return e.innerZone(server, name) != "" || e.overridden(server, name) != ""
}

// innerZone returns the zone that holds a name and that a resolver serves itself; "" where it does
// not. Its SOA then names another primary or another person than the one at the zone's servers, or
// stands where these have none.
func (e *checkRun) innerZone(server, name string) string {
	at := resolver.Source{Addr: server}
	apex := mail.FQDN(e.ZoneAbove(e.ctx, name))
	for zone := range mail.Enclosing(name) {
		if !mail.Within(zone, apex) {
			break
		}

		said, err := e.Ask(e.ctx, at, zone, "SOA")
		if err != nil || said.Status != resolver.Found || len(said.Chain) > 0 {
			continue
		}

		is, err := e.Authoritative(e.ctx, zone, "SOA")
		switch {
		case err != nil:
			return ""
		case is.Status != resolver.Found, soaOwner(is) != soaOwner(said):
			return zone
		}

		return ""
	}

	return ""
}

// soaOwner is what tells the SOA of one zone from that of another of the same name: its primary
// server and its person, which all servers of a zone share.
func soaOwner(a resolver.Answer) string {
	if len(a.Records) == 0 {
		return ""
	}
	return ownerOf(a.Records[0].Data)
}

func ownerOf(soa string) string {
	fields := strings.Fields(soa)
	return strings.ToLower(strings.Join(fields[:min(2, len(fields))], " "))
}

// overridden returns the address that a resolver leads a name to and that can't be reached from the
// Internet, where the zone's own servers do not have it; "" where there is none.
func (e *checkRun) overridden(server, name string) string {
	for _, rrtype := range []string{"A", "AAAA"} {
		said, err := e.Ask(e.ctx, resolver.Source{Addr: server}, name, rrtype)
		if err != nil {
			continue
		}

		is, err := e.Authoritative(e.ctx, name, rrtype)
		if err != nil {
			continue
		}

		own := is.Addresses()
		answers := said.Addresses()
		at := slices.IndexFunc(answers, func(a netip.Addr) bool {
			return netaddr.Unreachable(a) != "" && !slices.Contains(own, a)
		})

		if at >= 0 {
			return answers[at].String()
		}
	}

	return ""
}

// checkVantages says of each zone whether the resolvers here answer for its names as the delegated servers
// do. A resolver that does not is right where it is: a person is to know it, and nothing else follows.
func (e *checkRun) checkVantages() {
	for _, zone := range e.Zones {
		e.checkVantage(mail.FQDN(zone))
	}
}

func (e *checkRun) checkVantage(zone string) {
	c := plan.Check{
		ID:      catalog.DNSVantage,
		Subject: subjectOf(zone),
		Status:  plan.Pass,
		Want:    "the resolvers here answer as the delegated servers do",
		Ref:     "RFC 8499 section 6, split DNS",
	}

	servers, err := e.Via.ServerAddrs()
	if err == nil {
		_, err = e.Authoritative(e.ctx, zone, "SOA")
	}

	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}

	var said, inward []string
	for _, s := range servers {
		if inner := e.innerZone(s, zone); inner != "" {
			said = append(said, fmt.Sprintf("%s serves an inner zone %s", s,
				record.Bare(inner)))
			continue
		}

		for _, name := range e.hostsIn(zone) {
			switch addr := e.overridden(s, name); {
			case addr == "":
			case addr == e.Inside:
				inward = append(inward, fmt.Sprintf("%s resolves %s to %s, the server's private address",
					s, record.Bare(name), addr))
			default:
				said = append(said, fmt.Sprintf("%s answers %s for %s itself", s, addr,
					record.Bare(name)))
			}
		}
	}

	c.Got = "they do"
	if len(inward) > 0 {
		c.Got = strings.Join(inward, "; ")
	}

	if len(said) > 0 {
		c.Status = plan.Warn
		c.Advice = true
		c.Got = strings.Join(append(said, inward...), "; ")
		c.Hint = "mailpub does not count its answers as public data. If that zone is intended, nothing needs to be done; internal clients need the mail records there too. Otherwise name another resolver in verify.resolvers"
	}

	e.add(c)
}

// hostsIn returns the hosts of a zone that the site needs: the mail host and its own MX.
func (e *checkRun) hostsIn(zone string) (names []string) {
	all := []string{e.Host}
	for _, d := range e.Domains {
		for _, m := range d.MX {
			all = append(all, mail.FQDN(m.Host))
		}
	}

	for _, name := range all {
		if mail.Within(name, zone) && !slices.Contains(names, name) &&
			mail.FQDN(e.ZoneAbove(e.ctx, name)) == zone {
			names = append(names, name)
		}
	}

	return names
}
