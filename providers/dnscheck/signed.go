package dnscheck

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/spf"
)

// Unsigned says why a zone is not known to be signed with DNSSEC, in one line, or returns ""
// where its own servers publish keys for it (DNSKEY, RFC 4034 section 2). Whether the parent
// vouches for them is another question.
func (f Facts) Unsigned(ctx context.Context, zone string) string {
	a, err := f.lookups().Authoritative(ctx, mail.FQDN(zone), "DNSKEY")
	switch {
	case err != nil:
		return "cannot find out whether zone " + record.Bare(zone) + " is signed: " +
			err.Error()
	case a.Status != resolver.Found:
		return fmt.Sprintf("zone %s is not signed with DNSSEC, so senders would ignore it (RFC 7672 section 2.2): sign the zone first",
			record.Bare(zone))
	}

	return ""
}

// RefuseSPF makes a person's work of SPF records in changes that receivers would reject.
func (f Facts) RefuseSPF(ctx context.Context, changes []plan.Change) {
	spf.Refuse(ctx, f.lookups(), f.Host, changes)
}
