package dnscheck

import (
	"fmt"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
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
				e.add(plan.Check{ID: id, Subject: record.Bare(name), Status: plan.Pass, Want: "no error", Got: "no record", Ref: "RFC 7489 section 6.3"})
			}
			e.dmarcPolicy(name, d)
			continue
		}
		if err != nil || len(records) != 1 {
			why := fmt.Sprintf("%d DMARC records", len(records))
			if err != nil {
				why = err.Error()
			}
			e.skip(catalog.DMARCSyntax, record.Bare(name), why, "see dmarc.single")
			e.dmarcPolicy(name, d)
			e.skip(catalog.DMARCReports, record.Bare(name), why, "see dmarc.single")
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
	e.examine(rule{
		id: catalog.DMARCSingle, subject: record.Bare(name), want: "at most one record", ref: "RFC 7489 section 6.6.3", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			if len(records) > 1 {
				return fail(strings.Join(records, " and "), "leave one record: with several there is no policy at all")
			}
			return pass(fmt.Sprintf("%d", len(records)))
		},
	})
}

func (e *checkRun) dmarcSyntax(name string) {
	e.examine(rule{
		id: catalog.DMARCSyntax, subject: record.Bare(name), want: "no error", ref: "RFC 7489 section 6.3", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			if len(records) != 1 {
				return fail(fmt.Sprintf("%d records", len(records)), "see dmarc.single")
			}
			if _, err := dmarc.Parse(records[0]); err != nil {
				return fail(fmt.Sprintf("%s: %s", strings.TrimPrefix(err.Error(), "dmarc: "), records[0]), "correct the record: receivers pass over one with an error")
			}
			return pass(records[0])
		},
	})
}

func (e *checkRun) dmarcPolicy(name string, d Domain) {
	first := len(e.found)
	defer func() {
		for i := range e.found[first:] {
			e.found[first+i].Advice = !d.DMARC
		}
	}()
	e.examine(rule{
		id: catalog.DMARCPolicy, subject: record.Bare(name), want: "quarantine or reject", ref: "RFC 7489 section 6.3", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, dmarcVersion)
			if len(records) == 0 {
				return warn("none", "publish a policy: domains: dmarc: {policy: none, rua: [...]} in the config first, to see who sends in the domain's name, then quarantine or reject")
			}
			policy := tagList(records[0])["p"]
			if policy == "quarantine" || policy == "reject" {
				return pass(policy)
			}
			return warn(shortened(policy), "when the reports show that all senders pass, set domains: dmarc: policy: to quarantine or reject")
		},
	})
}

// dmarcReports checks that those outside the domain that reports go to want them (RFC 7489
// section 7.1).
func (e *checkRun) dmarcReports(name, domain, text string) {
	c := plan.Check{ID: catalog.DMARCReports, Subject: record.Bare(name), Want: "reports go to who wants them", Status: plan.Pass, Ref: "RFC 7489 section 7.1"}
	tags := tagList(text)
	var others []string
	for _, uri := range strings.Split(tags["rua"]+","+tags["ruf"], ",") {
		at := strings.LastIndex(uri, "@")
		if at < 0 {
			continue
		}
		host, _, _ := strings.Cut(strings.TrimSpace(uri[at+1:]), "!")
		if organization(host) != organization(record.Bare(domain)) {
			others = append(others, strings.ToLower(host))
		}
	}
	if others == nil {
		c.Got = "none go outside the domain"
		e.add(c)
		return
	}
	for _, host := range others {
		a, err := e.Authoritative(e.ctx, record.Bare(domain)+"._report._dmarc."+mail.FQDN(host), "TXT")
		switch {
		case err != nil:
			e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
			return
		case len(versioned(a, dmarcVersion)) == 0:
			c.Status, c.Got = plan.Fail, host+" does not say that it takes them"
			c.Hint = fmt.Sprintf(`ask %s to publish TXT "v=DMARC1" at %s._report._dmarc.%s, or send the reports to an address in the domain`, host, record.Bare(domain), host)
			e.add(c)
			return
		}
	}
	c.Got = strings.Join(others, ", ") + " takes them"
	e.add(c)
}

// organization is the registered domain of a name (RFC 7489 section 3.2), or the name itself
// where there is none.
func organization(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if o, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return o
	}
	return name
}

// versioned returns the texts of an answer that are of a version; others at the name are passed
// over, as receivers do (RFC 7489 section 6.6.3, RFC 8461 section 3.1, RFC 8460 section 3).
func versioned(a resolver.Answer, version string) (records []string) {
	for _, t := range a.Texts() {
		if strings.HasPrefix(strings.ReplaceAll(t, " ", ""), version) {
			records = append(records, t)
		}
	}
	return records
}
