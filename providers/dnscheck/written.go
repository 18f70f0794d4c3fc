package dnscheck

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// writtenElsewhere finds out whether the zone that mailpub writes is another one than the world sees,
// as before the name servers are switched at the registrar, and fills in c where it is. Another
// server that says the same is right: a hidden primary, or one of several providers.
func (e *checkRun) writtenElsewhere(c *plan.Check, zone string) bool {
	w, ok := e.Written[zone]
	if !ok {
		return false
	}
	servers, err := e.NameServers(e.ctx, zone)
	if err != nil {
		return false
	}
	differ, at := "", w.Provider
	if w.Server != "" {
		at = w.Server
		differ = e.differsFrom(zone, w.Server, servers)
	} else if !e.servedBy(zone, w.Hosts) {
		differ = e.lostOwned(zone)
	}
	if differ == "" {
		return false
	}
	_, hosts, err := e.Delegation(e.ctx, zone)
	if err != nil {
		hosts = servers
	}
	c.Status, c.Reason = plan.Fail, plan.ReasonElsewhere
	c.Got = fmt.Sprintf("the world is sent to %s, but mailpub writes the zone at %s, and they do not hold the same: %s", strings.Join(hosts, ", "), at, differ)
	c.Hint = "what mailpub writes is not seen, and mailpub apply can't change that: have the name servers at the registrar changed to those of the zone that is written, or give in zones: the provider that serves it"
	return true
}

// differsFrom says what a server that is written to has of a zone and the zone's servers have not;
// "" where they agree, or where that can't be told. One that is late with a change of the same zone
// is dns.zone's to tell.
func (e *checkRun) differsFrom(zone, written string, servers []string) string {
	if slices.Contains(servers, written) {
		return ""
	}
	primary := resolver.Source{Addr: written, Authority: true}
	own, err := e.Ask(e.ctx, primary, zone, "SOA")
	if err != nil || !own.Authoritative || own.Status != resolver.Found {
		return ""
	}
	seen, err := e.Authoritative(e.ctx, zone, "SOA")
	if err != nil || soaOwner(own) == soaOwner(seen) {
		return ""
	}
	for _, set := range e.neededOf(zone) {
		if set.Type == "SOA" {
			continue
		}
		here, err := e.Ask(e.ctx, primary, set.Name, set.Type)
		if err != nil {
			continue
		}
		there, err := e.Authoritative(e.ctx, set.Name, set.Type)
		if is, seen := said(here), said(there); err == nil && is != seen {
			return fmt.Sprintf("%s is %s there, and %s here", set, shortened(seen), shortened(is))
		}
	}
	return ""
}

// servedBy reports whether any of a zone's name servers is called like one of a provider's. Where a
// provider's are not known by name, that is taken to be so.
func (e *checkRun) servedBy(zone string, patterns []string) bool {
	_, hosts, err := e.Delegation(e.ctx, zone)
	if err != nil || len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, strings.TrimSuffix(strings.ToLower(host), "."))
			return ok && err == nil
		})
	})
}

// lostOwned says which record that mailpub put into a zone its servers do not have, or "".
func (e *checkRun) lostOwned(zone string) string {
	for _, entry := range e.Owned {
		name, rrtype, tag, err := mail.SplitDNSKey(entry.Key)
		if err != nil || entry.Text == nil || !mail.Within(name, zone) {
			continue
		}
		x := expectation{Target: record.Target{RRset: record.RRset{Name: name, Type: rrtype}, Tag: tag}, data: record.DataOf(entry.Text)}
		a, err := e.Authoritative(e.ctx, name, rrtype)
		if err == nil && !x.met(a) {
			return fmt.Sprintf("%s is %s there, and mailpub wrote %s", entry.Key.Name, shortened(x.got(a)), shortened(strings.Join(x.data, ", ")))
		}
	}
	return ""
}
