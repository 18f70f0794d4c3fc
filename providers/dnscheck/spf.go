package dnscheck

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/spf"
)

// spf checks the policy of each domain, and of the mail host, whose own name is checked
// when a message has no sender (RFC 7208 section 2.4).
func (e *checkRun) spf() {
	var names []string
	for _, d := range e.Domains {
		names = append(names, mail.FQDN(d.Name))
	}

	if !slices.Contains(names, e.Host) {
		names = append(names, e.Host)
	}

	for _, name := range names {
		e.spfSingle(name)
		e.spfPass(name)
		text, why := e.spfRecord(name)

		if why != "" {
			for _, id := range []string{catalog.SPFSyntax, catalog.SPFAll, catalog.SPFSize} {
				e.skip(id, subjectOf(name), why, "see spf.single")
			}
			continue
		}

		e.spfSyntax(name, text)
		e.spfAll(name, text)
		e.spfSize(name, text)
	}
}

// spfRecord returns the one SPF record of a name, or why it is not to be had.
func (e *checkRun) spfRecord(name string) (text, why string) {
	a, err := e.Authoritative(e.ctx, name, "TXT")
	if err != nil {
		return "", err.Error()
	}

	if ps := spf.Records(a); len(ps) == 1 {
		return ps[0], ""
	} else {
		return "", fmt.Sprintf("%d SPF records", len(ps))
	}
}

func (e *checkRun) spfSingle(name string) {
	e.checkRule(rule{
		id:      catalog.SPFSingle,
		subject: subjectOf(name),
		want:    "one record",
		ref:     "RFC 7208 section 3.2",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			switch ps := spf.Records(a); len(ps) {
			case 0:
				return fail("none", "publish an SPF record for "+record.Bare(name)+
					"; mailpub apply does")
			case 1:
				return pass(ps[0])
			default:
				return fail(strings.Join(ps, " and "),
					"leave one record, with the terms of all of them: with several, receivers reject the policy as a whole")
			}
		},
	})
}

// spfPass evaluates the policy for each address that the server sends from.
func (e *checkRun) spfPass(name string) {
	const id, ref = catalog.SPFPass, "RFC 7208 section 4"
	if len(e.Public) == 0 {
		e.skip(id, subjectOf(name), "the public address is not known", hintPublic)
	}

	for _, addr := range e.Public {
		subject := plan.Subject{
			Addr: addr.String(),
			Name: record.Bare(name),
			Text: addr.String() + " for " + record.Bare(name),
		}

		if name == e.Host {
			subject.Text = addr.String() + " as " + record.Bare(name)
		}

		if addr.Unmap().Is6() && !e.publishesIPv6() {
			e.skip(id, subject, "the mail host has no AAAA record",
				"publish it, or set server.public.ipv6 to none")
			continue
		}

		result, err := e.evaluate(addr, name)
		c := plan.Check{
			ID:      id,
			Subject: subject,
			Want:    "pass",
			Got:     string(result),
			Ref:     ref,
		}

		switch result {
		case spf.Pass:
			c.Status, c.Got = plan.Pass, spfReason(result, err)
			e.spfOverIPv4(&c, addr, name)
		case spf.TempError:
			c.Status, c.Got, c.Hint = plan.Skip, spfReason(result, err), hintUnknown
		case spf.PermError:
			c.Status, c.Got, c.Hint = plan.Fail, spfReason(result,
				err), "correct the policy, see spf.single and spf.syntax"
		default:
			c.Status, c.Got = plan.Fail, spfReason(result, err)
			c.Hint = fmt.Sprintf("add %s to the SPF record of %s; mailpub apply does",
				addressTerm(addr), record.Bare(name))
		}

		e.add(c)
	}
}

// spfOverIPv4 warns of a policy that passes an IPv6 address only after it asked for many hosts without one.
func (e *checkRun) spfOverIPv4(c *plan.Check, addr netip.Addr, name string) {
	if !addr.Unmap().Is6() {
		return
	}

	hosts := spf.WithoutIPv6(e.ctx, e.QueryCache, addr, record.Bare(e.Host),
		"postmaster@"+record.Bare(name))

	if len(hosts) <= spf.MostVoid {
		return
	}

	c.Status = plan.Warn
	c.Got = fmt.Sprintf("pass, but only after look-ups of %d hosts without an IPv6 address: %s",
		len(hosts), bareList(hosts))

	c.Hint = fmt.Sprintf("receivers that count each as a look-up without an answer reject the policy after %d: put %s before the terms that name these hosts",
		spf.MostVoid, addressTerm(addr))

	c.Ref = "RFC 7208 section 4.6.4"
}

func addressTerm(addr netip.Addr) string {
	if mail.AddressType(addr) == "A" {
		return "ip4:" + mail.AddressData(addr)
	}
	return "ip6:" + mail.AddressData(addr)
}

func spfReason(result spf.Result, err error) string {
	if err == nil {
		return string(result)
	}
	return fmt.Sprintf("%s (%v)", result, err)
}

// evaluate runs check_host for a sender at name.
func (e *checkRun) evaluate(addr netip.Addr, name string) (spf.Result, error) {
	return spf.Evaluate(e.ctx, e.QueryCache, addr, record.Bare(e.Host),
		"postmaster@"+record.Bare(name))
}

// spfSyntax has the whole policy evaluated, by an address that no term matches, so that
// every term and every limit is met.
func (e *checkRun) spfSyntax(name, text string) {
	c := plan.Check{
		ID:      catalog.SPFSyntax,
		Subject: subjectOf(name),
		Want:    "no error",
		Status:  plan.Pass,
		Got:     text,
		Ref:     "RFC 7208 section 4.6",
	}

	switch result, err := e.evaluate(spf.UnlikelySender, name); {
	case result == spf.PermError && errors.As(err, new(spf.MalformedError)): // it quotes the record, which may be an included one
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = spf.SyntaxHint(err)
	case result == spf.PermError:
		c.Status = plan.Fail
		c.Got = fmt.Sprintf("%v in %s", err, text)
		c.Hint = spf.SyntaxHint(err)
	case result == spf.TempError:
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = hintUnknown
	}

	e.add(c)
}

// spfAll looks at what happens to everybody else: the "all" term, here or where a
// redirect leads.
func (e *checkRun) spfAll(name, text string) {
	c := plan.Check{
		ID:      catalog.SPFAll,
		Subject: subjectOf(name),
		Want:    "-all or ~all",
		Status:  plan.Pass,
		Ref:     "RFC 7208 section 5.1",
	}

	for range 10 { // as many redirects as look-ups are allowed
		all, redirect := spf.LastTerms(text)
		if all == "" && strings.Contains(redirect, "%") {
			e.skip(c.ID, c.Subject, "redirect to "+redirect+
				", which is another name for each sender", "see spf.pass")
			return
		}

		if all == "" && redirect != "" {
			next, why := e.spfRecord(redirect)
			if why != "" {
				e.skip(c.ID, c.Subject, "redirect to "+redirect+": "+why,
					"see that "+redirect+" has one SPF record")
				return
			}

			text = next
			continue
		}

		c.Got = all
		switch {
		case strings.HasPrefix(all, "-"), strings.HasPrefix(all, "~"):
		case all == "?all":
			c.Status = plan.Warn
			c.Hint = "end the record with -all or ~all, when all senders are listed: ?all says nothing about forgeries"
		case all == "":
			c.Status = plan.Fail
			c.Got = "none"
			c.Hint = "end the record with -all or ~all: without it every other sender gets neutral"
		default:
			c.Status = plan.Fail
			c.Hint = "end the record with -all or ~all: " + all +
				" lets the whole world send for " + record.Bare(name)
		}

		e.add(c)
		return
	}

	c.Status = plan.Fail
	c.Got = "redirects without end"
	c.Hint = "redirect to a domain with a policy"
	e.add(c)
}

// spfSize measures the record. The whole reply should fit into 512 octets, where nothing
// can be cut off (RFC 7208 section 3.4).
func (e *checkRun) spfSize(name, text string) {
	const limit, near = 512, 450
	c := plan.Check{
		ID:      catalog.SPFSize,
		Subject: subjectOf(name),
		Want:    fmt.Sprintf("at most %d octets", near),
		Status:  plan.Pass,
		Got:     fmt.Sprintf("%d octets", len(text)),
		Ref:     "RFC 7208 section 3.4",
	}

	a, err := e.Authoritative(e.ctx, name, "TXT")
	switch {
	case len(text) > limit:
		c.Status = plan.Fail
		c.Hint = "shorten the record: list networks instead of single addresses, or move terms into a name that is included"
	case len(text) > near:
		c.Status = plan.Warn
		c.Hint = fmt.Sprintf("the record is close to %d octets: shorten it before adding to it", limit)
	case err == nil && a.Size() > limit:
		c.Status = plan.Warn
		c.Got = fmt.Sprintf("%d octets, but %d in the reply with all TXT records", len(text),
			a.Size())
		c.Hint = "remove TXT records of " + record.Bare(name) +
			" that are no longer needed, such as old verifications"
	}

	e.add(c)
}
