package dnscheck

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// rule is a check before it is known how it comes out.
type rule struct {
	id, want, ref string
	subject       plan.Subject
	name, rrtype  string
	judge         func(resolver.Answer) verdict
}

// checkRule asks everywhere and reports the worst of what is said. The authoritative
// servers decide: where they are right and a resolver is not, that is a warning, for it
// may still remember what was there before. A place that says nothing turns a pass into a
// warning, and when no place says anything it is a skip.
func (e *checkRun) checkRule(r rule) {
	c := plan.Check{
		ID:      r.id,
		Subject: r.subject,
		Want:    r.want,
		Ref:     r.ref,
	}

	var silent, own []string
	var at, cached *evaluated
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

		j := &evaluated{r.judge(v.Answer), v}
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
		silent = append(silent, fmt.Sprintf("the resolver %s serves its own zone %s, which differs from the public one",
			cached.Addr, record.Bare(inner)))
		decisive = nil
	}

	if decisive == nil {
		e.skip(r.id, r.subject, strings.Join(append(silent, own...), "; "), hintUnknown)
		return
	}

	c.Status = decisive.status
	c.Got = decisive.got
	c.Hint = decisive.hint

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
		c.Status = plan.Warn
		c.Got = fmt.Sprintf("%s at the zone's own servers, but %s at %s", c.Got, cached.got,
			cached.Addr)
		c.Hint = "a resolver may answer from its cache; run verify again after the TTL" +
			remembered(cached.Answer)
	case len(silent) > 0:
		c.Status = plan.Warn
		c.Got = c.Got + "; not everywhere: " + strings.Join(silent, "; ")
		c.Hint = hintUnknown
		c.Reason = plan.ReasonPartly
	}

	c.Unused = decisive.unused && c.Status == plan.Pass
	c.Hint = e.whoCanWrite(r.name, decisive.Answer, c.Hint)
	e.add(c)
}

// whoCanWrite returns a hint that names mailpub apply as it is, or another one where the record is kept outside the
// zones of the config: by the target of an alias, or in a zone that is delegated to others.
func (e *checkRun) whoCanWrite(name string, a resolver.Answer, hint string) string {
	if !strings.Contains(hint, "mailpub apply") {
		return hint
	}
	if n := len(a.Chain); n > 0 && e.keptZone(a.Chain[n-1]) == "" {
		return fmt.Sprintf("%s is an alias of %s: have the record corrected there, or remove the alias; mailpub plan shows the wanted record",
			record.Bare(name), record.Bare(a.Chain[n-1]))
	}

	kept := e.keptZone(name)
	zone, servers, err := e.Delegation(e.ctx, name)
	hosts := slices.Clone(servers)
	if err != nil || kept == "" || len(zone) <= len(kept) || !mail.Within(zone, kept) {
		return hint
	}

	for i := range hosts {
		hosts[i] = record.Bare(hosts[i])
	}

	return fmt.Sprintf("%s is in zone %s, which is delegated to %s: change it there, or give zone %s to mailpub too; mailpub plan shows the wanted record",
		record.Bare(name), record.Bare(zone), strings.Join(hosts, ", "), record.Bare(zone))
}

// keptZone is the zone of the config that a name is in; "" where there is none.
func (e *checkRun) keptZone(name string) (kept string) {
	for _, zone := range e.Zones {
		if zone = mail.FQDN(zone); mail.Within(mail.FQDN(name), zone) && len(zone) > len(kept) {
			kept = zone
		}
	}
	return kept
}

type evaluated struct {
	verdict
	resolver.SourceAnswer
}

func worse(a, b *evaluated) *evaluated {
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
	longest := slices.MaxFunc(a.Records, func(x, y resolver.Record) int {
		return cmp.Compare(x.TTL, y.TTL)
	})
	return fmt.Sprintf(", at most %d s", longest.TTL)
}
