package dnscheck

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// transport checks what the domain says about delivery under TLS: MTA-STS and TLS reports.
func (e *checkRun) transport() {
	for _, d := range e.Domains {
		e.stsRecord(d)
		e.tlsReports(d)
	}
}

// stsID reports whether RFC 8461 section 3.1 allows the id of a policy.
func stsID(id string) bool {
	other := func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}
	return 0 < len(id) && len(id) <= 32 && !strings.ContainsFunc(id, other)
}

func (e *checkRun) stsRecord(d Domain) {
	name := "_mta-sts." + mail.FQDN(d.Name)
	want := "none"
	if d.PolicyID != "" {
		want = "v=STSv1; id=" + d.PolicyID
	}

	var kept func(text string) verdict
	if a, err := e.Authoritative(e.ctx, name, "TXT"); err == nil && d.PolicyID == "" &&
		len(versioned(a, "v=STSv1")) == 1 {
		want = "a policy that lets mail in"
		kept = e.policyElsewhere(d)
	}

	e.checkRule(rule{
		id: catalog.STSRecord, subject: subjectOf(name), want: want,
		ref: "RFC 8461 section 3.1", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, "v=STSv1")
			switch {
			case len(records) == 0 && d.PolicyID == "":
				return unused("none")
			case len(records) == 0:
				return fail("none", "publish the record; mailpub apply does")
			case len(records) > 1:
				return fail(strings.Join(records, " and "),
					"leave one record: with several there is no policy at all")
			}

			switch id := tagList(records[0])["id"]; {
			case !stsID(id):
				hint := "the id has to be 1 to 32 letters and digits"
				if d.PolicyID != "" {
					hint += "; mailpub apply publishes a right one"
				}
				return fail(records[0], hint)
			case d.PolicyID == "" && kept != nil:
				return kept(records[0])
			case d.PolicyID == "": // it was not at the first server that was asked
				return warn(records[0], "not every name server has this record: see dns.zone")
			case id != d.PolicyID:
				return fail(records[0], "the policy has changed since, and senders keep to the old one until the id does; mailpub apply publishes the new one")
			}

			return pass(records[0])
		},
	})
}

// policyElsewhere fetches the policy of a domain that the config has none for, and returns what there
// is to say of its record.
func (e *checkRun) policyElsewhere(d Domain) func(text string) verdict {
	const how = "fetch it from another network: curl https://mta-sts."
	if e.FetchPolicy == nil {
		return func(text string) verdict {
			return verdict{
				status: plan.Skip,
				got:    text + "; its policy is served by another host and was not fetched",
				hint:   how + record.Bare(d.Name) + "/.well-known/mta-sts.txt",
			}
		}
	}

	mx := d.MX
	if a, err := e.Authoritative(e.ctx, d.Name, "MX"); err == nil && len(a.Records) > 0 {
		mx = a.Exchangers()
	}

	excluded, served, err := e.FetchPolicy(e.ctx, record.Bare(d.Name), mx)
	return func(text string) verdict {
		switch {
		case err != nil && served:
			return verdict{
				status: plan.Skip,
				got:    text + "; its policy can't be fetched from here: " + err.Error(),
				hint:   how + record.Bare(d.Name) + "/.well-known/mta-sts.txt",
			}
		case err != nil:
			return fail(text+", but no policy is served: "+err.Error(),
				"serve the policy where mta-sts."+record.Bare(d.Name)+
					" points, or remove the record")
		case excluded != "":
			return fail(text+", and the policy that is served keeps mail away from "+
				record.Bare(excluded), "have the policy allow "+record.Bare(excluded)+
				" where it is kept, or put it into domains: mta_sts:")
		}

		return pass(text + "; the policy that is served lets mail in")
	}
}

func (e *checkRun) tlsReports(d Domain) {
	name := "_smtp._tls." + mail.FQDN(d.Name)
	want := "at most one record"
	if d.TLSRPT {
		want = "one record"
	}

	e.checkRule(rule{
		id:      catalog.TLSRPTRecord,
		subject: subjectOf(name),
		want:    want,
		ref:     "RFC 8460 section 3",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			records := versioned(a, "v=TLSRPTv1")
			switch {
			case len(records) == 0 && d.TLSRPT:
				return fail("none", "publish the record; mailpub apply does")
			case len(records) == 0:
				return unused("none")
			case len(records) > 1:
				return fail(strings.Join(records, " and "),
					"leave one record: with several, senders do not report")
			}

			for _, uri := range strings.Split(tagList(records[0])["rua"], ",") {
				if low := strings.ToLower(strings.TrimSpace(uri)); !strings.HasPrefix(low,
					"mailto:") && !strings.HasPrefix(low, "https://") {
					return fail(records[0], "rua has to name where reports go, as mailto: or https: (RFC 8460 section 3)")
				}
			}

			return pass(records[0])
		},
	})
}

// dane checks that what DNS says of the mail host's keys is what it shows: a TLSA record that
// no certificate matches keeps the mail of every sender that heeds it away.
func (e *checkRun) dane() {
	ports := e.DANE
	if !slices.Contains(ports, 25) {
		ports = append([]uint16{25}, ports...)
	}
	for _, port := range ports {
		e.daneMatch(port, slices.Contains(e.DANE, port))
	}
}

func (e *checkRun) daneMatch(port uint16, wanted bool) {
	name := fmt.Sprintf("_%d._tcp.%s", port, e.Host)
	c := plan.Check{
		ID:      catalog.DANEMatch,
		Subject: subjectOf(name),
		Want:    "a record for the key in use",
		Status:  plan.Pass,
		Ref:     "RFC 7672 section 3",
	}

	if !wanted {
		c.Want = "none, or one for the key in use"
	}

	a, err := e.Authoritative(e.ctx, name, "TLSA")
	switch {
	case err != nil:
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	case a.Status != resolver.Found && !wanted:
		c.Got = answerSummary(a)
		c.Unused = true
		e.add(c)
		return
	case a.Status != resolver.Found:
		c.Status = plan.Fail
		c.Got = answerSummary(a)
		c.Hint = "publish the record; mailpub apply does where the zone is signed"
		e.add(c)
		return
	}

	if why := e.Unsigned(e.ctx, e.ZoneAbove(e.ctx, name)); why != "" {
		c.Status = plan.Fail
		c.Got = strings.Join(a.Data(), ", ") + ", and " + why
		c.Hint = "sign the zone with DNSSEC, or remove the record"
		e.add(c)
		return
	}

	if e.Served == nil {
		e.skip(c.ID, c.Subject, "the mail server was not asked for its certificate",
			"run verify where the mail server answers")
		return
	}

	shown, err := e.Served(e.ctx, port)
	if err != nil {
		e.skipCertificate(c, err)
		return
	}

	c.Got = strings.Join(a.Data(), ", ")
	if len(shown) == 0 { // RFC 7672 section 2.2: who heeds the records delivers under TLS or not at all
		c.Status = plan.Fail
		c.Got = c.Got + ", and the server offers no STARTTLS"
		c.Hint = "senders that heed DANE deliver no mail: let the server offer STARTTLS, or remove the record"
	} else if !slices.ContainsFunc(a.Data(), func(data string) bool {
		return tlsaMatches(data, shown)
	}) {
		c.Status = plan.Fail
		c.Hint = "senders that heed DANE deliver no mail: publish a record for the key in use (mailpub apply), or put the former key back"
	}

	e.add(c)
}

// tlsaMatches reports whether a TLSA record stands for a certificate that was shown: usage 3
// for the server's own, usage 2 for any of its issuers that it shows along (RFC 7672 section
// 3.1; usages 0 and 1 count for nothing in mail).
func tlsaMatches(data string, shown []*x509.Certificate) bool {
	rr, err := dns.NewRR(". TLSA " + data)
	if err != nil {
		return false
	}

	t := rr.(*dns.TLSA)
	var fits []*x509.Certificate
	switch {
	case t.Usage == 3 && len(shown) > 0:
		fits = shown[:1]
	case t.Usage == 2:
		fits = shown
	}

	return slices.ContainsFunc(fits, func(c *x509.Certificate) bool {
		is, err := dns.CertificateToDANE(t.Selector, t.MatchingType, c)
		return err == nil && strings.EqualFold(is, t.Certificate)
	})
}
