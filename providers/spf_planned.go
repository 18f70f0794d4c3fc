package providers

import (
	"context"
	"fmt"

	"blitiri.com.ar/go/spf"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

const spfTag = "v=spf1"

// RefuseSPF looks at the SPF records that changes are about to write, as receivers would look
// at them once everything in changes is published, and makes a person's work of those that
// would be rejected as a whole (RFC 7208 section 4.6: a term that is none, more than 10
// look-ups, more than 2 in vain). What can't be found out refuses nothing.
func (f Facts) RefuseSPF(ctx context.Context, changes []plan.Change) {
	planned := map[rrset][]string{}
	for _, c := range changes {
		if name, rrtype, tag, err := mail.SplitDNSKey(c.Key); err == nil && c.Writes() && (tag == "" || tag == spfTag) {
			planned[rrset{name, rrtype}] = dataOf(c.After)
		}
	}
	r := spfResolver{lookups: newLookups(f), planned: planned}
	for i, c := range changes {
		name, _, tag, err := mail.SplitDNSKey(c.Key)
		if err != nil || tag != spfTag || !c.Writes() || c.After == nil {
			continue
		}
		result, err := r.checkHost(ctx, unlikelySender, bare(f.Host), "postmaster@"+bare(name))
		if result == spf.PermError {
			changes[i].Action, changes[i].Adopt = plan.Manual, false
			changes[i].Reason = fmt.Sprintf("not written, as receivers would reject it (%v): %s", err, syntaxHint(err))
		}
	}
}
