package dnscheck

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Facts is what the DNS checks compare with.
type Facts struct {
	Host    string       // the mail host
	Names   []string     // further hosts that the machine itself must not map elsewhere
	Public  []netip.Addr // of the mail host; empty: not known, and what needs it is skipped
	Domains []Domain

	// Resolver asks as the rest of the world does. Each of its servers is asked.
	Resolver *resolver.Resolver
	// Nameservers are the authoritative servers (host:port) of zones that are not to be
	// found by delegation.
	Nameservers map[string][]string
	// Own are addresses that this network has outside, behind a router that translates. That a name
	// server there answers from inside, or does not, says nothing of what the world meets.
	Own []netip.Addr
	// Inside is the mail server's address in its own network; "" where that is not known.
	Inside string
	// HostsFile is the system's table of hosts; "" is where the system keeps it.
	HostsFile string

	Zones      []string           // that mailpub or a person keeps
	Written    map[string]Written // by zone: where mailpub writes it
	BlockLists []string           // zones of DNS block lists to ask about Public

	// FetchPolicy fetches the MTA-STS policy of a domain, as senders do, and returns the first of
	// the hosts that it keeps mail away from. An error with served set is of the way there, not
	// of what is served. Nil: it is not fetched.
	FetchPolicy func(ctx context.Context, domain string, mx []mail.MX) (excluded string, served bool, err error)

	DANE   []uint16     // ports that the mail host is to have TLSA records for
	Served Served       // asks the mail server for its certificates; nil: it is not asked
	Owned  []plan.Entry // what mailpub put in place

	port string // of name servers that are found by their names; "" is 53
}

// Domain is a mail domain and what it is to have.
type Domain struct {
	Name       string
	MX         []mail.MX
	DKIM       []Selector
	DMARC      bool   // it is to have a policy
	PolicyID   string // of its MTA-STS policy; empty: it has none
	TLSRPT     bool
	Services   []mail.Service
	Autoconfig string // host; empty: it has none
}

// Checks returns the checks of what is published, area "dns". Each run looks anew.
func Checks(f Facts) []plan.Checker {
	f.Host = mail.FQDN(f.Host)
	shared := &sharedCache{fresh: f.lookups}
	groups := 0
	group := func(run func(*checkRun), ids ...string) plan.Checker {
		number := groups
		groups++
		return plan.Checker{Area: catalog.AreaDNS, IDs: ids, Run: func(ctx context.Context) []plan.Check {
			e := &checkRun{Facts: f, QueryCache: shared.of(number), ctx: ctx}
			run(e)
			return e.found
		}}
	}
	checks := []plan.Checker{
		group((*checkRun).host, catalog.HostA, catalog.HostPTR, catalog.HostFCrDNS),
		group((*checkRun).mx, catalog.MXExists, catalog.MXExpected, catalog.MXTarget),
		group((*checkRun).spf, catalog.SPFSingle, catalog.SPFSyntax, catalog.SPFPass, catalog.SPFAll, catalog.SPFSize),
		group((*checkRun).hosts, catalog.ConfigHosts),
		group((*checkRun).dane, catalog.DANEMatch),
		group((*checkRun).caa, catalog.CAAPermits),
	}
	if len(f.Domains) > 0 {
		checks = append(checks,
			group((*checkRun).dmarc, catalog.DMARCSingle, catalog.DMARCSyntax, catalog.DMARCPolicy, catalog.DMARCReports),
			group((*checkRun).transport, catalog.STSRecord, catalog.TLSRPTRecord))
	}
	any := func(has func(Domain) bool) bool { return slices.ContainsFunc(f.Domains, has) }
	if any(func(d Domain) bool { return len(d.DKIM) > 0 }) {
		checks = append(checks, group((*checkRun).dkim, catalog.DKIMRecord, catalog.DKIMMatch))
	}
	if any(func(d Domain) bool { return len(d.Services) > 0 }) {
		checks = append(checks, group((*checkRun).services, catalog.SRVClients))
	}
	if any(func(d Domain) bool { return d.Autoconfig != "" }) {
		checks = append(checks, group((*checkRun).autoconfigs, catalog.AutoconfigServed))
	}
	if len(f.Zones) > 0 {
		checks = append(checks, group((*checkRun).zones, catalog.DNSZone, catalog.DNSSEC), group((*checkRun).delegations, catalog.DNSDelegation),
			group((*checkRun).vantages, catalog.DNSVantage))
	}
	if len(f.Written) > 0 && len(f.Zones) > 0 {
		checks = append(checks, group((*checkRun).written, catalog.DNSWritten))
	}
	if len(f.BlockLists) > 0 {
		checks = append(checks, group((*checkRun).blocked, catalog.ListDNSBL))
	}
	if len(f.Owned) > 0 {
		checks = append(checks, group((*checkRun).owned, catalog.DNSDrift))
	}
	return checks
}

// sharedCache is the cache of answers that all groups of a run share. A group that comes again
// begins a new run, with a cache that has no answers yet.
type sharedCache struct {
	fresh func() *resolver.QueryCache

	mu    sync.Mutex
	cache *resolver.QueryCache
	had   map[int]bool // groups that have it
}

func (s *sharedCache) of(group int) *resolver.QueryCache {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil || s.had[group] {
		s.cache = s.fresh()
		s.had = map[int]bool{}
	}
	s.had[group] = true
	return s.cache
}

// checkRun is one run of a group of checks.
type checkRun struct {
	Facts
	*resolver.QueryCache
	ctx   context.Context // of the run, which is all the life an examiner has
	found []plan.Check
}

func (e *checkRun) add(c plan.Check) { e.found = append(e.found, c) }

// subjectOf is a name as the subject of a check.
func subjectOf(name string) plan.Subject { return plan.OfName(record.Bare(name)) }

// skip reports that something can't be known.
func (e *checkRun) skip(id string, subject plan.Subject, why, hint string) {
	c := plan.Check{ID: id, Subject: subject, Status: plan.Skip, Got: why, Hint: hint}
	if hint == hintUnknown {
		c.Reason = plan.ReasonSilent
	}
	e.add(c)
}

const (
	hintUnknown = "see that the name server is reachable from here, by UDP and TCP port 53, then run verify again"
	hintPublic  = "give server.public in the config, or run verify where the public address can be found out"
)

// verdict is what a rule makes of one answer.
type verdict struct {
	status plan.Status
	got    string
	hint   string
}

func pass(got string) verdict       { return verdict{plan.Pass, got, ""} }
func fail(got, hint string) verdict { return verdict{plan.Fail, got, hint} }
func warn(got, hint string) verdict { return verdict{plan.Warn, got, hint} }

// rule is a check before it is known how it comes out.
type rule struct {
	id, want, ref string
	subject       plan.Subject
	name, rrtype  string
	judge         func(resolver.Answer) verdict
}

// examine asks everywhere and reports the worst of what is said. The authoritative
// servers decide: where they are right and a resolver is not, that is a warning, for it
// may still remember what was there before. A place that says nothing turns a pass into a
// warning, and when no place says anything it is a skip.
func (e *checkRun) examine(r rule) {
	c := plan.Check{ID: r.id, Subject: r.subject, Want: r.want, Ref: r.ref}
	var silent, own []string
	var at, cached *judged
	for _, v := range e.AskAll(e.ctx, r.name, r.rrtype) {
		switch {
		case v.Err != nil && v.Authority && e.isOwn(v.Addr):
			own = append(own, v.Err.Error())
			continue
		case v.Err != nil && noIPv6(v.Addr, v.Err):
			continue // this network has no IPv6, which says nothing of the server
		case v.Err != nil:
			silent = append(silent, v.Err.Error())
			continue
		}
		j := &judged{r.judge(v.Answer), v}
		if v.Authority {
			at = worse(at, j)
		} else {
			cached = worse(cached, j)
		}
	}
	decisive := at
	if at == nil {
		decisive = cached
	}
	if inner := e.Inner(e.ctx, r.name); at == nil && cached != nil && inner != "" {
		silent = append(silent, fmt.Sprintf("the resolver %s serves zone %s itself, which is not what the world sees", cached.Addr, record.Bare(inner)))
		decisive = nil
	}
	if decisive == nil {
		e.skip(r.id, r.subject, strings.Join(append(silent, own...), "; "), hintUnknown)
		return
	}
	c.Status, c.Got, c.Hint = decisive.status, decisive.got, decisive.hint
	if c.Status != plan.Pass {
		c.Got += " (at " + decisive.Addr + ")"
	}
	inside := false // a resolver's answer is right where it is: dns.vantage tells of it
	if c.Status == plan.Pass && at != nil && cached != nil && cached.status != plan.Pass {
		inside = e.insideView(cached.Addr, r.name)
	}
	switch {
	case c.Status != plan.Pass, inside:
	case cached != nil && cached.status != plan.Pass:
		c.Status, c.Got = plan.Warn, fmt.Sprintf("%s at the zone's own servers, but %s at %s", c.Got, cached.got, cached.Addr)
		c.Hint = "a resolver may answer with what it remembers; run verify again once that has run out" + remembered(cached.Answer)
	case len(silent) > 0:
		c.Status, c.Got = plan.Warn, c.Got+"; not everywhere: "+strings.Join(silent, "; ")
		c.Hint, c.Reason = hintUnknown, plan.ReasonPartly
	}
	e.add(c)
}

type judged struct {
	verdict
	resolver.SourceAnswer
}

func worse(a, b *judged) *judged {
	if a == nil || rank(b.status) > rank(a.status) {
		return b
	}
	return a
}

func rank(s plan.Status) int {
	return slices.Index([]plan.Status{plan.Pass, plan.Skip, plan.Warn, plan.Fail}, s)
}

func remembered(a resolver.Answer) string {
	if len(a.Records) == 0 {
		return ""
	}
	longest := slices.MaxFunc(a.Records, func(x, y resolver.Record) int { return cmp.Compare(x.TTL, y.TTL) })
	return fmt.Sprintf(", at most %d s", longest.TTL)
}

// said is an answer in a few words.
func said(a resolver.Answer) string {
	switch {
	case len(a.Chain) > 0 && a.Status != resolver.Found:
		return "CNAME " + a.Chain[len(a.Chain)-1] + ", " + a.Status.String()
	case a.Status != resolver.Found:
		return a.Status.String()
	}
	return strings.Join(slices.Sorted(slices.Values(a.Data())), ", ")
}

// lookups returns what asks for these facts; it has no answers yet.
func (f Facts) lookups() *resolver.QueryCache {
	return resolver.NewQueryCache(f.Resolver, f.Nameservers, f.port)
}
