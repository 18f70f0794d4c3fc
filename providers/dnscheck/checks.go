package dnscheck

import (
	"context"
	"slices"
	"sync"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Checks returns the checks of what is published, area "dns". Each run looks anew.
func Checks(f Facts) []plan.Checker {
	f.Host = mail.FQDN(f.Host)
	shared := &sharedCache{fresh: f.lookups}
	groups := 0
	group := func(run func(*checkRun), ids ...string) plan.Checker {
		number := groups
		groups++
		return plan.Checker{
			Area: catalog.AreaDNS,
			IDs:  ids,
			Run: func(ctx context.Context) []plan.Check {
				e := &checkRun{Facts: f, QueryCache: shared.of(number), ctx: ctx}
				run(e)
				return e.found
			},
		}
	}

	checks := []plan.Checker{
		group((*checkRun).host, catalog.HostA, catalog.HostPTR, catalog.HostFCrDNS),
		group((*checkRun).mx, catalog.MXExists, catalog.MXExpected, catalog.MXTarget),
		group((*checkRun).spf, catalog.SPFSingle, catalog.SPFSyntax, catalog.SPFPass,
			catalog.SPFAll, catalog.SPFSize),
		group((*checkRun).hosts, catalog.ConfigHosts),
		group((*checkRun).dane, catalog.DANEMatch),
		group((*checkRun).caa, catalog.CAAPermits),
	}

	if len(f.Domains) > 0 {
		checks = append(checks,
			group((*checkRun).dmarc, catalog.DMARCSingle, catalog.DMARCSyntax,
				catalog.DMARCPolicy, catalog.DMARCReports),
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
		checks = append(checks, group((*checkRun).zones, catalog.DNSZone, catalog.DNSSEC),
			group((*checkRun).delegations, catalog.DNSDelegation),
			group((*checkRun).checkVantages, catalog.DNSVantage))
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
