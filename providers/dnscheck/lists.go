package dnscheck

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// blocked asks each block list about each public address (RFC 5782).
func (e *checkRun) blocked() {
	for _, list := range e.BlockLists {
		if len(e.Public) == 0 {
			e.skip(catalog.ListDNSBL, subjectOf(list), "the public address is not known",
				hintPublic)
		}
		for _, addr := range e.Public {
			e.listed(mail.FQDN(list), addr.Unmap())
		}
	}
}

func (e *checkRun) listed(list string, addr netip.Addr) {
	c := plan.Check{
		ID: catalog.ListDNSBL,
		Subject: plan.Subject{
			Addr: addr.String(),
			Name: record.Bare(list),
			Text: addr.String() + " in " + record.Bare(list),
		},
		Want: "not listed",
		Ref:  "RFC 5782 section 2.1",
	}

	name := listName(addr) + "." + list
	a, err := e.Resolve(e.ctx, name, "A")
	if err != nil {
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	}

	data := a.Data()
	within := func(prefix string) func(string) bool {
		return func(s string) bool { return strings.HasPrefix(s, prefix) }
	}

	switch {
	case a.Status != resolver.Found:
		c.Status = plan.Pass
		c.Got = "not listed"
	case slices.ContainsFunc(data, within("127.255.255.")): // the list's word for "I do not answer you"
		e.skip(c.ID, c.Subject, "the list refuses the question: "+strings.Join(data, ", "),
			"it does not answer large public resolvers, or clients with many queries: name your own resolver under verify.resolvers")
		return
	case !slices.ContainsFunc(data, within("127.")): // RFC 5782 section 2.1
		e.skip(c.ID, c.Subject, strings.Join(data, ", ")+" is no answer of a block list",
			"the list has ended, or the resolver alters answers: take the list out of verify.dnsbl, or ask another resolver")
		return
	default:
		c.Status = plan.Fail
		c.Got = strings.Join(data, ", ")
		if why, err := e.Resolve(e.ctx, name, "TXT"); err == nil &&
			why.Status == resolver.Found {
			c.Got += ": " + strings.Join(why.Texts(), " ")
		}
		c.Hint = "find out why (the list's web page says), end it, and ask to be removed; where it lists whole ranges of dial-up lines, send through a smart host"
	}

	e.add(c)
}

// listName is an address as block lists have it: as in reverse zones, without their root
// (RFC 5782 sections 2.1 and 2.4).
func listName(addr netip.Addr) string {
	name := strings.TrimSuffix(mail.ReverseName(addr), ".arpa.")
	return strings.TrimSuffix(strings.TrimSuffix(name, ".in-addr"), ".ip6")
}
