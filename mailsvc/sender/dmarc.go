package sender

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/authres"
	"github.com/emersion/go-msgauth/dmarc"

	"github.com/mailpub/mailpub/plan/orgdomain"
)

// dmarc compares the author's domain with those that stand for the message (RFC 7489 section
// 3.1). Without a policy there is nothing to pass or fail.
func (c *Checker) dmarc(ctx context.Context, from string, ok bool, spf identity, signatures []identity) authres.Result {
	r := &authres.DMARCResult{Value: authres.ResultNone, From: headerText(from)}
	if !ok {
		r.Value = authres.ResultPermError
		r.Reason = "not exactly one author"
		return r
	}

	policy, err := c.policy(ctx, from)
	switch {
	case err != nil && temporary(err):
		r.Value, r.Reason = authres.ResultTempError, headerText(err.Error())
		return r
	case err != nil:
		r.Value, r.Reason = authres.ResultPermError, headerText(err.Error())
		return r
	case policy == nil:
		return r
	}

	if aligned(from, spf.domain, policy.SPFAlignment) {
		r.Value = authres.ResultPass
		return r
	}

	for _, s := range signatures {
		if aligned(from, s.domain, policy.DKIMAlignment) {
			r.Value = authres.ResultPass
			return r
		}
	}

	r.Value = authres.ResultFail
	r.Reason = "policy " + string(policy.Policy)
	return r
}

func temporary(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsTemporary
}

// policy finds the record of a domain, or else of its organization (RFC 7489 section 6.6.3);
// nil where there is none.
func (c *Checker) policy(ctx context.Context, domain string) (*dmarc.Record, error) {
	names := []string{domain}
	if o := orgdomain.Of(domain); o != domain {
		names = append(names, o)
	}

	for _, name := range names {
		texts, err := c.Texts(ctx, "_dmarc."+name)
		var d *net.DNSError
		if err != nil && !(errors.As(err, &d) && d.IsNotFound) {
			return nil, err
		}

		var records []string
		for _, t := range texts {
			if strings.HasPrefix(strings.ReplaceAll(t, " ", ""), "v=DMARC1") {
				records = append(records, t)
			}
		}

		if len(records) == 1 {
			return dmarc.Parse(records[0])
		}
		if len(records) > 1 {
			return nil, nil
		}
	}

	return nil, nil
}

// aligned reports whether an identity stands for the author's domain.
func aligned(from, domain string, mode dmarc.AlignmentMode) bool {
	if domain == "" {
		return false
	}
	if mode == dmarc.AlignmentStrict {
		return from == domain
	}
	return orgdomain.Of(from) == orgdomain.Of(domain)
}
