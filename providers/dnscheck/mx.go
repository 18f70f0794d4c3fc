package dnscheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

func (e *checkRun) mx() {
	if len(e.Domains) == 0 {
		for _, id := range []string{catalog.MXExists, catalog.MXExpected, catalog.MXTarget} {
			e.skip(id, subjectOf(e.Host), "no domains are configured",
				"add the mail domains to the config")
		}
	}

	for _, d := range e.Domains {
		if len(d.MX) == 0 {
			e.mxElsewhere(d)
			continue
		}
		e.mxExists(d)
		e.mxExpected(d)
		e.mxTargets(d)
	}
}

func mxText(mxs []mail.MX) string {
	var out []string
	for _, m := range mxs {
		out = append(out, mail.MXData(m.Preference, m.Host))
	}
	return strings.Join(out, ", ")
}

// mxElsewhere says who takes the mail of a domain that only sends from here. That is not judged, but
// for a host that can't be found.
func (e *checkRun) mxElsewhere(d Domain) {
	for _, id := range []string{catalog.MXExists, catalog.MXExpected} {
		e.checkRule(rule{
			id:      id,
			subject: subjectOf(d.Name),
			want:    "another server takes the mail",
			ref:     "RFC 5321 section 5.1",
			name:    d.Name,
			rrtype:  "MX",
			judge: func(a resolver.Answer) verdict {
				if len(a.Records) == 0 {
					return unused("no MX: by the config, another server takes the mail")
				}
				return pass("taken elsewhere: " + mxText(a.Exchangers()))
			},
		})
	}

	a, err := e.Authoritative(e.ctx, d.Name, "MX")
	if err == nil && (len(a.Records) == 0 || resolver.RefusesMail(a.Exchangers())) {
		e.add(plan.Check{
			ID:      catalog.MXTarget,
			Subject: subjectOf(d.Name),
			Status:  plan.Pass,
			Unused:  true,
			Want:    "an address, no alias",
			Got:     "no host to check",
			Ref:     "RFC 5321 section 5.1",
		})

		return
	}

	e.mxTargets(d)
}

func (e *checkRun) mxExists(d Domain) {
	e.checkRule(rule{
		id:      catalog.MXExists,
		subject: subjectOf(d.Name),
		want:    mxText(d.MX),
		ref:     "RFC 5321 section 5.1",
		name:    d.Name,
		rrtype:  "MX",
		judge: func(a resolver.Answer) verdict {
			mxs := a.Exchangers()
			switch {
			case len(mxs) == 0:
				return fail(answerSummary(a),
					fmt.Sprintf("publish MX %s; mailpub apply does", mxText(d.MX)))
			case resolver.RefusesMail(mxs):
				return fail(mxText(mxs), "remove the null MX: it tells senders that the domain accepts no mail (RFC 7505)")
			}

			return pass(mxText(mxs))
		},
	})
}

func (e *checkRun) mxExpected(d Domain) {
	e.checkRule(rule{
		id:      catalog.MXExpected,
		subject: subjectOf(d.Name),
		want:    mxText(d.MX),
		ref:     "RFC 5321 section 5.1",
		name:    d.Name,
		rrtype:  "MX",
		judge: func(a resolver.Answer) verdict {
			return expectMX(a.Exchangers(), d.MX)
		},
	})
}

// expectMX compares the MX that are there with the wanted ones. What stands in front of
// ours, or beside it, gets our mail.
func expectMX(is, want []mail.MX) verdict {
	got := mxText(is)
	if len(is) == 0 {
		return fail("none", "publish MX "+mxText(want)+"; mailpub apply does")
	}

	ours := func(host string) bool {
		return slices.ContainsFunc(want, func(m mail.MX) bool {
			return mail.FQDN(m.Host) == host
		})
	}

	best := -1
	hosts := map[string]int{}
	for _, m := range is {
		hosts[m.Host]++
		if ours(m.Host) && best < 0 {
			best = int(m.Preference)
		}
	}

	for _, m := range want {
		if hosts[mail.FQDN(m.Host)] == 0 {
			return fail(got, fmt.Sprintf("%s is not among them: mailpub apply publishes it",
				record.Bare(mail.FQDN(m.Host))))
		}
	}

	for _, m := range is {
		if !ours(m.Host) && int(m.Preference) <= best {
			return fail(got, fmt.Sprintf("mail goes to %s before, or as often as, here: remove it, or give it a higher number than %d",
				record.Bare(m.Host), best))
		}
	}

	for _, m := range is {
		if hosts[m.Host] > 1 {
			return warn(got, fmt.Sprintf("%s is listed %d times: leave one",
				record.Bare(m.Host), hosts[m.Host]))
		}
	}

	return pass(got)
}

func (e *checkRun) mxTargets(d Domain) {
	a, err := e.Authoritative(e.ctx, d.Name, "MX")
	if err != nil {
		e.skip(catalog.MXTarget, subjectOf(d.Name), err.Error(), hintUnknown)
		return
	}

	mxs := a.Exchangers()
	if len(mxs) == 0 || resolver.RefusesMail(mxs) {
		e.skip(catalog.MXTarget, subjectOf(d.Name), "it has no MX to check", "see mx.exists")
		return
	}

	var hosts []string
	for _, m := range mxs {
		if !slices.Contains(hosts, m.Host) {
			hosts = append(hosts, m.Host)
			e.mxTarget(d, m.Host)
		}
	}
}

func (e *checkRun) mxTarget(d Domain, host string) {
	r := rule{
		id: catalog.MXTarget,
		subject: plan.Subject{
			Name: record.Bare(d.Name),
			Type: "MX",
			Host: host,
		},
		want:   "an address, no alias",
		ref:    "RFC 5321 section 5.1, RFC 2181 section 10.3",
		name:   host,
		rrtype: "A",
	}

	if _, err := netip.ParseAddr(record.Bare(host)); err == nil {
		e.add(plan.Check{
			ID:      r.id,
			Subject: r.subject,
			Want:    r.want,
			Ref:     r.ref,
			Status:  plan.Fail,
			Got:     "an IP address in place of a name",
			Hint:    "let the MX name a host, and give that host the address (RFC 1035 section 3.3.9)",
		})

		return
	}

	r.judge = func(a resolver.Answer) verdict {
		if len(a.Chain) > 0 {
			return fail("CNAME "+a.Chain[0],
				"let the MX name "+record.Bare(a.Chain[len(a.Chain)-1])+" itself, or give "+
					record.Bare(host)+" its own address record")
		}
		if a.Status == resolver.Found {
			return pass(answerSummary(a))
		}

		six, err := e.Authoritative(e.ctx, host, "AAAA")
		switch {
		case err != nil:
			return verdict{
				status: plan.Skip,
				got:    "no A record; AAAA: " + err.Error(),
				hint:   hintUnknown,
			}
		case six.Status == resolver.Found:
			return pass(answerSummary(six))
		}

		return fail(answerSummary(a), "give "+record.Bare(host)+
			" an A record, or let the MX name a host that has one")
	}

	e.checkRule(r)
}
