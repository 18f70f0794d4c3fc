package dnscheck

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

func (w WrittenZone) at() string {
	if w.Server != "" {
		return w.Server
	}
	return w.Provider
}

// ZoneContent is what a zone has where mailpub writes it.
type ZoneContent struct {
	SOA   string      // its data; "" where that was not seen
	Hosts []string    // of its NS records; nil where those were not seen
	Items []plan.Item // what mail needs, Lines nil where there is nothing; nil where it was not read
}

// UndelegatedZone is a zone whose written records are not seen: the parent sends resolvers to servers that
// do not have them.
type UndelegatedZone struct {
	Zone   string
	At     string   // where it is written
	Own    []string // the name servers that the written zone names; nil where that is not known
	Hosts  []string // the name servers that the parent names
	Parent string   // the zone that answers for its names where no delegation leads to it; "" where one does
	Differ string   // a record that is not the same
}

// Delegations are who serves some zones; see Facts.Delegated.
type Delegations struct {
	facts Facts
	cache *resolver.QueryCache
	asked chan struct{} // closed when all is asked
}

// Delegated begins to ask who serves some zones, and returns at once: the caller has something else to
// do meanwhile.
func (f Facts) Delegated(ctx context.Context, zones []string) *Delegations {
	f.Host = mail.FQDN(f.Host)
	d := &Delegations{facts: f, cache: f.lookups(), asked: make(chan struct{})}
	go func() {
		defer close(d.asked)

		var group errgroup.Group
		group.SetLimit(settleAtOnce)
		for _, zone := range zones {
			group.Go(func() error {
				_, _ = d.cache.NameServers(ctx, mail.FQDN(zone))
				return nil
			})
		}

		_ = group.Wait()
	}()

	return d
}

// Wait waits until all is asked that Delegated began to ask.
func (d *Delegations) Wait() { <-d.asked }

// UndelegatedZone reports whether a zone is written where the delegated servers do not get it from; nil
// where they do, where they say the same all the same (a hidden primary, one of several
// providers), and where that can't be found out.
func (d *Delegations) Undelegated(ctx context.Context, zone string, held ZoneContent) *UndelegatedZone {
	d.Wait()
	e := &checkRun{Facts: d.facts, QueryCache: d.cache, ctx: ctx}
	return e.elsewhere(mail.FQDN(zone), held)
}

// written checks of each zone that what mailpub writes is the one that the delegated servers serve.
func (e *checkRun) written() {
	for _, zone := range e.Zones {
		zone = mail.FQDN(zone)
		w, ok := e.Written[zone]
		if !ok {
			continue
		}

		c := plan.Check{
			ID:      catalog.DNSWritten,
			Subject: subjectOf(zone),
			Status:  plan.Pass,
			Want: "the zone written at " + w.at() +
				" is the one that the delegated servers serve",
			Got: "it is",
			Ref: "RFC 1034 section 4.2.2",
		}

		_, err := e.NameServers(e.ctx, zone)
		elsewhere := e.elsewhere(zone, ZoneContent{})
		switch {
		case err != nil:
			e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
			continue
		case elsewhere != nil:
			c.Status = plan.Fail
			c.Reason = plan.ReasonElsewhere
			c.Got = elsewhere.String()
			c.Hint = elsewhere.Hint()
		}

		e.add(c)
	}
}

// String says what is the matter, without what to do.
func (e UndelegatedZone) String() string {
	if e.Parent != "" {
		return fmt.Sprintf("the zone that mailpub writes at %s is not delegated: resolvers look its names up in zone %s, at %s",
			e.At, zoneName(e.Parent), bareList(e.Hosts))
	}

	text := fmt.Sprintf("the parent sends resolvers to %s, and mailpub writes the zone at %s",
		bareList(e.Hosts), e.At)

	if e.Differ != "" {
		text += "; they do not hold the same: " + e.Differ
	}

	return text
}

// Hint says what to do.
func (e UndelegatedZone) Hint() string {
	to := "those of the zone that is written"
	if len(e.Own) > 0 {
		to = bareList(e.Own)
	}

	if e.Parent != "" {
		return fmt.Sprintf("resolvers do not see what mailpub writes, and mailpub apply cannot change that: have %s delegated in zone %s (NS records, for a domain at the registrar) to %s, or remove the zone from zones:",
			record.Bare(e.Zone), zoneName(e.Parent), to)
	}

	return "resolvers do not see what mailpub writes, and mailpub apply cannot change that: have the name servers at the registrar changed to " + to +
		", or give in zones: the provider that serves it"
}

func zoneName(zone string) string {
	if zone == "." {
		return "."
	}
	return record.Bare(zone)
}

func bareList(hosts []string) string {
	var names []string
	for _, h := range hosts {
		names = append(names, record.Bare(h))
	}
	return strings.Join(names, ", ")
}

func (e *checkRun) elsewhere(zone string, held ZoneContent) *UndelegatedZone {
	w, ok := e.Written[zone]
	if !ok {
		return nil
	}

	servers, err := e.NameServers(e.ctx, zone)
	if err != nil || slices.Contains(servers, w.Server) {
		return nil
	}

	parent, hosts, err := e.Delegation(e.ctx, zone)
	if err != nil {
		parent, hosts = zone, servers
	}

	if e.sameZone(zone, w, held, hosts) {
		return nil
	}

	differ, agreed := e.differsFromHeld(held.Items)
	if held.Items == nil && w.Server != "" {
		differ, agreed = e.differsFrom(zone, w.Server)
	} else if held.Items == nil {
		differ, agreed = e.lostOwned(zone)
	}

	if differ == "" && agreed {
		return nil
	}

	out := &UndelegatedZone{
		Zone:   zone,
		At:     w.at(),
		Own:    held.Hosts,
		Hosts:  hosts,
		Differ: differ,
	}

	if parent != zone {
		out.Parent = parent
	}

	return out
}

// sameZone reports whether a zone is the one that the delegated servers have, by what it says of
// itself: its primary server and person (SOA), its name servers, what its provider's are called.
// Where nothing is known it is taken to be so.
func (e *checkRun) sameZone(zone string, w WrittenZone, held ZoneContent, delegated []string) bool {
	own := ownerOf(held.SOA)
	if own == "" && w.Server != "" {
		a, err := e.Ask(e.ctx, resolver.Source{Addr: w.Server, Authority: true}, zone, "SOA")
		if err != nil || !a.Authoritative || a.Status != resolver.Found {
			return true
		}
		own = soaOwner(a)
	}

	seen, err := e.Authoritative(e.ctx, zone, "SOA")
	switch {
	case err != nil:
		return true
	case own != "" && own == soaOwner(seen), len(w.Hosts) > 0 &&
		servedBy(primaryOf(seen), w.Hosts):
		return true
	case own != "" && w.Server != "":
		return false
	case len(held.Hosts) > 0:
		return slices.ContainsFunc(held.Hosts, func(h string) bool {
			return slices.Contains(delegated, mail.FQDN(h))
		})
	}

	return servedBy(delegated, w.Hosts)
}

// primaryOf returns the primary server that an SOA names; nil where there is none.
func primaryOf(soa resolver.Answer) []string {
	primary, _, _ := strings.Cut(soaOwner(soa), " ")
	if primary == "" {
		return nil
	}
	return []string{primary}
}

// MostCompared is how many RRsets are compared of a zone that names other servers than the parent.
const MostCompared = 40

// differsFromHeld says which of some items the delegated servers have otherwise; "" for none. agreed
// reports whether any was found in both places.
func (e *checkRun) differsFromHeld(items []plan.Item) (differ string, agreed bool) {
	for _, it := range items[:min(len(items), MostCompared)] {
		name, rrtype, tag, err := mail.SplitDNSKey(it.Key)
		if err != nil || it.Unreadable != "" || it.Fixed != "" {
			continue
		}

		x := expectation{
			Target: record.Target{
				RRset: record.RRset{
					Name: name,
					Type: rrtype,
				},
				Tag: tag,
			},
			data: record.DataOf(it.Lines),
		}

		a, err := e.Authoritative(e.ctx, name, rrtype)
		if err != nil {
			continue
		}
		if !x.met(a) {
			return fmt.Sprintf("%s is %s there, and %s here", it.Key.Name, shortened(x.got(a)),
				orNone(x.data)), agreed
		}

		agreed = agreed || len(x.data) > 0
	}

	return "", agreed
}

func orNone(data []string) string {
	if len(data) == 0 {
		return "none"
	}
	return shortened(strings.Join(data, ", "))
}

// differsFrom says what a server that is written to has of a zone and the zone's servers have not;
// "" where they agree. One that is late with a change of the same zone is dns.zone's to tell.
func (e *checkRun) differsFrom(zone, written string) (differ string, agreed bool) {
	primary := resolver.Source{Addr: written, Authority: true}
	for _, set := range e.neededOf(zone) {
		if set.Type == "SOA" {
			continue
		}

		here, err := e.Ask(e.ctx, primary, set.Name, set.Type)
		if err != nil {
			continue
		}

		there, err := e.Authoritative(e.ctx, set.Name, set.Type)
		if err != nil {
			continue
		}
		if is, seen := answerSummary(here), answerSummary(there); is != seen {
			return fmt.Sprintf("%s is %s there, and %s here", set, shortened(seen),
				shortened(is)), agreed
		}

		agreed = agreed || here.Status == resolver.Found
	}

	return "", agreed
}

// servedBy reports whether any of a zone's name servers is called like one of a provider's. Where a
// provider's are not known by name, that is taken to be so.
func servedBy(hosts, patterns []string) bool {
	if len(patterns) == 0 {
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
func (e *checkRun) lostOwned(zone string) (differ string, agreed bool) {
	for _, entry := range e.Owned {
		name, rrtype, tag, err := mail.SplitDNSKey(entry.Key)
		if err != nil || entry.Text == nil || !mail.Within(name, zone) {
			continue
		}

		x := expectation{
			Target: record.Target{
				RRset: record.RRset{
					Name: name,
					Type: rrtype,
				},
				Tag: tag,
			},
			data: record.DataOf(entry.Text),
		}

		a, err := e.Authoritative(e.ctx, name, rrtype)
		if err != nil {
			continue
		}
		if !x.met(a) {
			return fmt.Sprintf("%s is %s there, and mailpub wrote %s", entry.Key.Name,
				shortened(x.got(a)), shortened(strings.Join(x.data, ", "))), agreed
		}

		agreed = true
	}

	return "", agreed
}
