package dnscheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

func (e *checkRun) host() {
	e.hostAddress("A")
	e.hostAddress("AAAA")
	if len(e.Public) == 0 {
		e.skip(catalog.HostPTR, subjectOf(e.Host), "the public address is not known",
			hintPublic)
		e.skip(catalog.HostFCrDNS, subjectOf(e.Host), "the public address is not known",
			hintPublic)
	}

	for _, addr := range e.Public {
		if addr = addr.Unmap(); addr.Is6() && !e.publishesIPv6() {
			const why = "the mail host has no AAAA record, so its IPv6 address is not used"
			const hint = "publish the AAAA record, or set server.public.ipv6 to none"
			e.skip(catalog.HostPTR, plan.OfAddr(addr.String()), why, hint)
			e.skip(catalog.HostFCrDNS, e.fcrdnsSubject(addr), why, hint)
			continue
		}

		e.pointer(addr)
		e.checkFCrDNS(addr)
	}
}

func (e *checkRun) publishesIPv6() bool {
	a, err := e.Authoritative(e.ctx, e.Host, "AAAA")
	return err == nil && a.Status == resolver.Found
}

// wanted returns the public addresses that belong in records of a type.
func (e *checkRun) wanted(rrtype string) (out []string) {
	for _, a := range e.Public {
		if mail.AddressType(a) == rrtype {
			out = append(out, mail.AddressData(a))
		}
	}
	return slices.Sorted(slices.Values(out))
}

// hostAddress checks the A or AAAA records of the mail host.
func (e *checkRun) hostAddress(rrtype string) {
	want := e.wanted(rrtype)
	known := len(e.Public) > 0
	if len(want) == 0 && (known || rrtype == "AAAA") {
		a, err := e.Authoritative(e.ctx, e.Host, rrtype)
		if err == nil && a.Status != resolver.Found && len(a.Chain) == 0 {
			return // not wanted, not there
		}
	}

	r := rule{
		id: catalog.HostA,
		subject: plan.Subject{
			Name: record.Bare(e.Host),
			Type: rrtype,
		},
		name:   e.Host,
		rrtype: rrtype,
		want:   strings.Join(want, ", "),
		ref:    "RFC 5321 section 5.1",
	}

	switch {
	case !known:
		r.want = "the public address"
	case len(want) == 0:
		r.want = "none"
	}

	r.judge = func(a resolver.Answer) verdict {
		got := answerSummary(a)
		switch private := firstPrivate(a); {
		case len(a.Chain) > 0:
			return fail("CNAME "+a.Chain[0],
				"replace the CNAME of "+record.Bare(e.Host)+
					" with address records: an MX must not point to an alias (RFC 2181 section 10.3)")
		case a.Status != resolver.Found && rrtype == "AAAA":
			return warn(got, "publish the AAAA record, or set server.public.ipv6 to none")
		case a.Status != resolver.Found:
			return fail(got, fmt.Sprintf("publish the %s record of %s; mailpub apply does",
				rrtype, record.Bare(e.Host)))
		case private != "":
			return fail(got, private+" can't be reached from the Internet: publish the public address instead")
		case !known:
			return verdict{
				status: plan.Skip,
				got:    "published is " + got + ", but the public address is not known",
				hint:   hintPublic,
			}
		case containsAll(a.Data(), want) && len(a.Data()) > len(want):
			return fail(got, fmt.Sprintf("the public address is %s: if another one leads to the server too, add it to server.public.also; else "+
				"mailpub apply --adopt removes it", strings.Join(e.publicText(), ", ")))
		case !slices.Equal(slices.Sorted(slices.Values(a.Data())), want):
			return fail(got, fmt.Sprintf("the public address is %s: mailpub apply publishes it; if that is not so, set server.public",
				strings.Join(e.publicText(), ", ")))
		}

		return pass(got)
	}

	e.checkRule(r)
}

// containsAll reports whether a list has all of some texts, and there are some.
func containsAll(list, some []string) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(s string) bool {
		return !slices.Contains(list, s)
	})
}

func (e *checkRun) publicText() (out []string) {
	for _, a := range e.Public {
		out = append(out, mail.AddressData(a))
	}
	return out
}

// firstPrivate returns the first address that is not reached from the Internet.
func firstPrivate(a resolver.Answer) string {
	for _, addr := range a.Addresses() {
		if netaddr.Unreachable(addr) != "" {
			return addr.String()
		}
	}
	return ""
}

// pointer checks the PTR of a public address.
func (e *checkRun) pointer(addr netip.Addr) {
	who := "the connectivity provider"
	hint := fmt.Sprintf("ask %s to point %s at %s, and at nothing else", who,
		record.Bare(mail.ReverseName(addr)), record.Bare(e.Host))

	e.checkRule(rule{
		id:      catalog.HostPTR,
		subject: plan.OfAddr(addr.String()),
		want:    e.Host,
		ref:     "RFC 1912 section 2.1",
		name:    mail.ReverseName(addr),
		rrtype:  "PTR",
		judge: func(a resolver.Answer) verdict {
			if a.Status == resolver.Found && len(a.Records) == 1 &&
				a.Records[0].Data == e.Host {
				return pass(e.Host)
			}
			return fail(answerSummary(a), hint)
		},
	})
}

// fcrdnsSubject is the subject of the look-up from a public address to the mail host and back.
func (e *checkRun) fcrdnsSubject(addr netip.Addr) plan.Subject {
	return plan.Subject{Addr: addr.String(), Host: record.Bare(e.Host)}
}

// checkFCrDNS checks that a name of the address's PTR leads back to it. It takes one of
// several (RFC 8601 section 3).
func (e *checkRun) checkFCrDNS(addr netip.Addr) {
	c := plan.Check{
		ID:      catalog.HostFCrDNS,
		Subject: e.fcrdnsSubject(addr),
		Want:    addr.String(),
		Ref:     "RFC 8601 section 3",
	}

	ptr, err := e.Authoritative(e.ctx, mail.ReverseName(addr), "PTR")
	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}

	if ptr.Status != resolver.Found {
		c.Status = plan.Fail
		c.Got = "no PTR"
		c.Hint = "give the address a PTR first, see host.ptr"
		e.add(c)
		return
	}

	var got []string
	for _, name := range ptr.Data() {
		a, err := e.Authoritative(e.ctx, name, mail.AddressType(addr))
		if err != nil {
			e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
			return
		}

		if slices.Contains(a.Addresses(), addr) {
			c.Status = plan.Pass
			c.Got = record.Bare(name) + " is " + answerSummary(a)
			e.add(c)
			return
		}

		got = append(got, record.Bare(name)+": "+answerSummary(a))
	}

	c.Status = plan.Fail
	c.Got = strings.Join(got, "; ")
	c.Hint = fmt.Sprintf("the PTR of %s must be a name whose %s record is that address: correct whichever of the two is wrong",
		addr, mail.AddressType(addr))

	e.add(c)
}
