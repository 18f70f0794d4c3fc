package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"blitiri.com.ar/go/spf"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Refuse looks at the SPF records that changes are about to write, as receivers would look
// at them once everything in changes is published, and makes a person's work of those that
// would be rejected as a whole (RFC 7208 section 4.6: a term that is none, more than 10
// look-ups, more than 2 in vain). What can't be found out refuses nothing.
func Refuse(ctx context.Context, l *resolver.QueryCache, host string, changes []plan.Change) {
	planned := map[record.RRset][]string{}
	for _, c := range changes {
		if name, rrtype, tag, err := mail.SplitDNSKey(c.Key); err == nil && c.Writes() &&
			(tag == "" || tag == Tag) {
			planned[record.RRset{Name: name, Type: rrtype}] = record.DataOf(c.After)
		}
	}

	r := libraryResolver{QueryCache: l, planned: planned, stranger: true}
	for i, c := range changes {
		name, _, tag, err := mail.SplitDNSKey(c.Key)
		if err != nil || tag != Tag || !c.Writes() || c.After == nil {
			continue
		}

		result, err := r.checkHost(ctx, UnlikelySender, record.Bare(host),
			"postmaster@"+record.Bare(name))

		if result == PermError {
			changes[i].Action = plan.Manual
			changes[i].Adopt = false
			changes[i].Reason = fmt.Sprintf("not written, as receivers would reject it (%v): %s",
				err, SyntaxHint(err))
		}
	}
}

func SyntaxHint(err error) string {
	switch {
	case errors.Is(err, spf.ErrLookupLimitReached):
		return "use fewer include, a, mx, ptr, exists and redirect terms, also in included policies: receivers stop at 10 and reject the policy (RFC 7208 section 4.6.4)"
	case errors.Is(err, spf.ErrVoidLookupLimitReached):
		return "remove the terms whose names do not exist or have no address: receivers stop at the third (RFC 7208 section 4.6.4)"
	case errors.Is(err, spf.ErrNoResult):
		return "a domain that is included or redirected to has no SPF record: correct its name or remove the term"
	case errors.Is(err, spf.ErrMultipleRecords):
		return "a domain that is included has several SPF records: tell its owner, or remove the include"
	}

	return "correct the record: receivers reject a policy with an error as a whole"
}

// UnlikelySender is an address that nobody sends from (RFC 5737), so that an evaluation goes
// through the whole policy.
var UnlikelySender = netip.MustParseAddr("203.0.113.253")
