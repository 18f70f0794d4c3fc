package dnscheck

import (
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// owned checks that each record that mailpub put in place is still what it was, at every
// authoritative server. There may be very many, so several are asked about at once.
func (e *checkRun) owned() {
	each := make([]*checkRun, len(e.Owned))
	var group errgroup.Group
	group.SetLimit(settleAtOnce)

	for i, entry := range e.Owned {
		each[i] = &checkRun{Facts: e.Facts, QueryCache: e.QueryCache, ctx: e.ctx}
		group.Go(func() error {
			each[i].drift(entry)
			return nil
		})
	}

	_ = group.Wait()
	for _, one := range each {
		e.found = append(e.found, one.found...)
	}
}

func (e *checkRun) drift(entry plan.Entry) {
	name, rrtype, tag, err := mail.SplitDNSKey(entry.Key)
	if err != nil || entry.Text == nil {
		return
	}

	x := expectation{
		Target: record.Target{
			RRset: record.RRset{
				Name: name,
				Type: rrtype,
			},
			Tag: tag,
		},
		data: record.DataOf(entry.Text),
	}

	e.checkRule(rule{
		id: catalog.DNSDrift,
		subject: plan.Subject{
			Key:  entry.Key,
			Name: record.Bare(name),
		},
		want:   strings.Join(x.data, ", "),
		ref:    "the ledger",
		name:   name,
		rrtype: rrtype,
		judge: func(a resolver.Answer) verdict {
			if x.met(a) {
				return pass("as it was put in place")
			}
			return fail(x.got(a), "mailpub plan shows whether the record was changed, and apply restores it; if the plan is empty, this server is not the primary, or has not received the change yet")
		},
	})
}

// got is what an answer says of an expectation, in a few words.
func (x expectation) got(a resolver.Answer) string {
	if x.Tag == "" {
		return answerSummary(a)
	}

	var got []string
	for _, r := range a.Records {
		if x.Holds(record.Record{Data: r.Data}) {
			got = append(got, r.Data)
		}
	}

	if got == nil {
		return "none"
	}

	slices.Sort(got)
	return strings.Join(got, ", ")
}
