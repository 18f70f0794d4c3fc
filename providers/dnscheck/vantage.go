package dnscheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// A resolver inside a network may not say what the world sees: it serves a zone of its own under
// the name (an Active Directory domain), or answers some names itself (an override for hosts that
// the router does not lead back inside). Such answers are right where they are, and say nothing
// of what is published.

// insideView says why a resolver's answers about a name are not the world's, or returns "".
func (e *checkRun) insideView(server, name string) string {
	if zone := e.innerZone(server, name); zone != "" {
		return "it serves an inner zone " + record.Bare(zone)
	}
	if e.overrides(server, name) {
		return "it answers for the host itself"
	}
	return ""
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
	fields := strings.Fields(a.Records[0].Data)
	return strings.ToLower(strings.Join(fields[:min(2, len(fields))], " "))
}

// overrides reports whether a resolver leads a name to an address that can't be reached from the
// Internet, where the zone's own servers do not.
func (e *checkRun) overrides(server, name string) bool {
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
		if slices.ContainsFunc(said.Addresses(), func(a netip.Addr) bool {
			return netaddr.Unreachable(a) != "" && !slices.Contains(own, a)
		}) {
			return true
		}
	}
	return false
}

// vantage says which resolvers serve a zone themselves, for people to know once; "" where none does.
func (e *checkRun) vantage(zone string) string {
	servers, err := e.Via.ServerAddrs()
	if err != nil {
		return ""
	}
	var inner []string
	for _, s := range servers {
		if e.innerZone(s, zone) != "" {
			inner = append(inner, s)
		}
	}
	if inner == nil {
		return ""
	}
	return fmt.Sprintf("the resolver %s serves an inner zone of this name, and its answers are not taken for the world's", strings.Join(inner, ", "))
}
