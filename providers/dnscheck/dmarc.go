package dnscheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/orgdomain"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// dmarc checks what each domain says of mail that is forged in its name.
func (e *checkRun) dmarc() {
	for _, d := range e.Domains {
		name := "_dmarc." + mail.FQDN(d.Name)
		e.dmarcSingle(name)
		a, err := e.Authoritative(e.ctx, name, "TXT")
		records := versioned(a, dmarcVersion)
		if err == nil && records == nil { // nothing to be wrong with; dmarc.policy says what is missing
			for _, id := range []string{catalog.DMARCSyntax, catalog.DMARCReports} {
				e.add(plan.Check{
					ID:      id,
					Subject: subjectOf(name),
					Status:  plan.Pass,
					Unused:  true,
					Want:    "no error",
					Got:     "no record",
					Ref:     "RFC 7489 section 6.3",
				})
			}

			e.dmarcPolicy(name, d)
			continue
		}

		if err != nil || len(records) != 1 {
			why := fmt.Sprintf("%d DMARC records", len(records))
			if err != nil {
				why = err.Error()
			}

			e.skip(catalog.DMARCSyntax, subjectOf(name), why, "see dmarc.single")
			e.dmarcPolicy(name, d)
			e.skip(catalog.DMARCReports, subjectOf(name), why, "see dmarc.single")
			continue
		}

		e.dmarcSyntax(name)
		e.dmarcPolicy(name, d)
		e.dmarcReports(name, mail.FQDN(d.Name), records[0])
	}
}

// dmarcVersion begins a DMARC record.
const dmarcVersion = "v=DMARC1"

func (e *checkRun) dmarcSingle(name string) {
	e.checkRule(rule{
		id:      catalog.DMARCSingle,
		subject: subjectOf(name),
		want:    "at most one record",
		ref:     "RFC 7489 section 6.6.3",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			if len(records) > 1 {
				return fail(strings.Join(records, " and "),
					"leave one record: with several there is no policy at all")
			}
			if len(records) == 0 {
				return unused("0")
			}

			return pass("1")
		},
	})
}

func (e *checkRun) dmarcSyntax(name string) {
	e.checkRule(rule{
		id:      catalog.DMARCSyntax,
		subject: subjectOf(name),
		want:    "no error",
		ref:     "RFC 7489 section 6.3, RFC 9989 section 4.7",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			if len(records) != 1 {
				return fail(fmt.Sprintf("%d records", len(records)), "see dmarc.single")
			}

			r := readDMARC(records[0])
			switch {
			case r.problem != "":
				return fail(r.problem+": "+records[0],
					"correct the record: receivers pass over one with an error")
			case r.policy == "":
				return warn(strings.Join(r.ignored, ", ")+" in "+records[0],
					"set p to none, quarantine or reject")
			case len(r.ignored) > 0:
				return warn(strings.Join(r.ignored, ", ")+" in "+records[0],
					"correct or remove it: receivers ignore it")
			}

			return pass(records[0])
		},
	})
}

func (e *checkRun) dmarcPolicy(name string, d Domain) {
	// A policy that nobody asked for is advice, and so is a stricter one than the config asks for:
	// "none" is where everybody begins.
	asWanted := d.DMARC == "none"
	first := len(e.found)
	defer func() {
		for i := range e.found[first:] {
			e.found[first+i].Advice = d.DMARC == "" || asWanted
		}
	}()

	above, effective := e.policyAbove(mail.FQDN(d.Name))
	e.checkRule(rule{
		id:      catalog.DMARCPolicy,
		subject: subjectOf(name),
		want:    "quarantine or reject",
		ref:     "RFC 7489 section 6.3, RFC 9989 section 4.10",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			asWanted = asWanted && len(records) == 1
			switch near := nearMiss(a.Texts(), dmarcVersion); {
			case len(records) == 0 && near != "":
				return warn("none: "+shortened(near)+" is not taken for one",
					`let the record begin with v=DMARC1; to the letter, without quotes or backslashes`)
			case len(records) == 0 && (effective == "quarantine" || effective == "reject"):
				return pass(effective + ", by the record of " + record.Bare(above))
			case len(records) == 0 && above != "":
				return warn(effective+", by the record of "+record.Bare(above),
					"set sp there to quarantine or reject, or publish a policy for "+
						record.Bare(mail.FQDN(d.Name)))
			case len(records) == 0:
				return warn("none", "publish a policy: domains: dmarc: {policy: none, rua: [...]} in the config first, to find all senders of the domain, then quarantine or reject")
			}

			r := readDMARC(records[0])
			asWanted = asWanted && r.problem == "" && r.policy == d.DMARC
			return policyVerdict(r)
		},
	})
}

func policyVerdict(r dmarcRecord) verdict {
	const further = "when the reports show that all senders pass, set domains: dmarc: policy: to quarantine or reject"
	strict := r.policy == "quarantine" || r.policy == "reject"
	switch {
	case r.problem != "":
		return warn("none that is valid", "see dmarc.syntax")
	case strict && r.testing:
		return warn(r.policy+", but t=y asks receivers not to act on it",
			"when the reports show that all senders pass, remove t=y")
	case strict && strings.Trim(r.percent, "0") == "" && r.percent != "":
		return warn(r.policy+", but pct=0 asks receivers not to act on it",
			"when the reports show that all senders pass, remove pct")
	case strict:
		return pass(r.policy)
	case r.policy == "":
		return warn("none, as p is not valid", further)
	}

	return warn(r.policy, further)
}

// policyAbove returns the domain above whose policy receivers apply to a domain without one of its
// own, and that policy: the nearest record up to the organization's (RFC 7489 section 6.6.3, RFC
// 9989 section 4.10).
func (e *checkRun) policyAbove(domain string) (above, policy string) {
	top := mail.FQDN(orgdomain.Of(domain))
	if domain == top {
		return "", ""
	}

	for at := range mail.Enclosing(domain) {
		if at == domain {
			continue
		}

		a, err := e.Authoritative(e.ctx, "_dmarc."+at, "TXT")
		if records := versioned(a, dmarcVersion); err == nil && len(records) == 1 {
			r := readDMARC(records[0])
			if r.problem == "" {
				policy = r.subdomains
				if policy == "" {
					policy = r.policy
				}

				if policy == "" {
					policy = "none"
				}

				return at, policy
			}
		}

		if at == top {
			break
		}
	}

	return "", ""
}

// dmarcReports checks that those outside the domain that reports go to want them (RFC 7489
// section 7.1).
func (e *checkRun) dmarcReports(name, domain, text string) {
	c := plan.Check{
		ID:      catalog.DMARCReports,
		Subject: subjectOf(name),
		Want:    "every report address accepts reports for this domain",
		Status:  plan.Pass,
		Ref:     "RFC 7489 section 7.1",
	}

	r := readDMARC(text)
	var others, unusable []string
	for _, uri := range slices.Concat(r.rua, r.ruf) {
		if !isMailto(uri) {
			unusable = append(unusable, uri)
			continue
		}

		host, _, _ := strings.Cut(uri[strings.LastIndex(uri, "@")+1:], "!")
		if orgdomain.Of(host) != orgdomain.Of(record.Bare(domain)) {
			others = append(others, strings.ToLower(host))
		}
	}

	if unusable != nil {
		c.Status = plan.Fail
		c.Got = strings.Join(unusable, ", ") + " is no address that reports can be sent to"
		c.Hint = "write addresses as mailto:NAME@DOMAIN: receivers pass over what has no scheme (RFC 7489 section 6.2)"
		e.add(c)
		return
	}

	if others == nil {
		c.Got = "none go outside the domain"
		e.add(c)
		return
	}

	for _, host := range others {
		a, err := e.Authoritative(e.ctx, record.Bare(domain)+"._report._dmarc."+
			mail.FQDN(host), "TXT")

		switch {
		case err != nil:
			e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
			return
		case len(versioned(a, dmarcVersion)) == 0:
			c.Status = plan.Fail
			c.Got = host + " does not say that it takes them"
			c.Hint = fmt.Sprintf(`ask %s to publish TXT "v=DMARC1" at %s._report._dmarc.%s, or send the reports to an address in the domain`,
				host, record.Bare(domain), host)
			e.add(c)
			return
		}
	}

	c.Got = strings.Join(others, ", ") + " takes them"
	e.add(c)
}

// versioned returns the texts of an answer that are of a version; others at the name are passed
// over, as receivers do (RFC 7489 section 6.6.3, RFC 8461 section 3.1, RFC 8460 section 3).
func versioned(a resolver.Answer, version string) (records []string) {
	for _, t := range a.Texts() {
		first, _, _ := strings.Cut(t, ";")
		name, value, ok := strings.Cut(first, "=")
		if ok && strings.TrimSpace(name)+"="+strings.TrimSpace(value) == version {
			records = append(records, t)
		}
	}

	return records
}
