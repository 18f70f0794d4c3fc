package sts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// Checks returns the check of what is served for the domains that want a policy, area "dns".
func (f *Fetcher) Checks(domains []mail.Domain) []plan.Checker {
	var wanted []mail.Domain
	for _, d := range domains {
		if d.Policy() != nil {
			wanted = append(wanted, d)
		}
	}

	if wanted == nil {
		return nil
	}

	return []plan.Checker{{Area: catalog.AreaDNS, IDs: []string{catalog.STSPolicy}, Run: func(ctx context.Context) (found []plan.Check) {
		for _, d := range wanted {
			found = append(found, f.check(ctx, d))
		}
		return found
	}}}
}

func (f *Fetcher) check(ctx context.Context, d mail.Domain) plan.Check {
	name := strings.TrimSuffix(d.Name, ".")
	c := plan.Check{
		ID:      catalog.STSPolicy,
		Subject: plan.OfName(name),
		Status:  plan.Pass,
		Ref:     "RFC 8461 section 3.3",
		Want:    strings.Join(d.Policy(), ", "),
	}

	serve := fmt.Sprintf("serve what mailpub request policy %s prints", name)
	p, err := f.Fetch(ctx, name)
	c.Got = strings.Join(p.Lines, ", ")

	if own := f.own(ctx, "mta-sts."+name); own != "" {
		if err != nil {
			c.Got = err.Error()
		}

		c.Status = plan.Skip
		c.Got = fmt.Sprintf("mta-sts.%s is %s, the public address of this network: an answer from inside (%s) proves nothing",
			name, own, c.Got)

		c.Hint = fmt.Sprintf("check it from another network: curl https://mta-sts.%s/.well-known/mta-sts.txt", name)
		return c
	}

	switch {
	case errors.Is(err, ErrNotServed):
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = serve
	case untrusted(err):
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = "senders then go by no policy, or by the one they remember: give the web server a certificate of a public authority for mta-sts." + name
	case err != nil:
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "see that https://mta-sts." + name +
			" can be reached from here, with a certificate for that name, then run verify again"
	case Excluded(p, d.MX) != "":
		c.Status = plan.Fail
		c.Hint = fmt.Sprintf("the policy keeps mail away from %s: %s", Excluded(p, d.MX), serve)
	case !plan.EqualLines(p.Lines, d.Policy()):
		c.Status = plan.Fail
		c.Hint = serve
	}

	return c
}

// own returns the address of a host that is this network's own, or "".
func (f *Fetcher) own(ctx context.Context, host string) string {
	if f.Lookup == nil || len(f.Own) == 0 {
		return ""
	}

	addrs, err := f.Lookup(ctx, host)
	for _, a := range addrs {
		if err == nil && slices.Contains(f.Own, a) {
			return a
		}
	}

	return ""
}

// untrusted reports whether the web server was reached, and showed a certificate that no sender
// takes (RFC 8461 section 3.3).
func untrusted(err error) bool {
	var bad *tls.CertificateVerificationError
	return errors.As(err, &bad)
}

// Excluded returns the first of a domain's mail exchangers that senders who heed the policy do
// not deliver to, or "".
func Excluded(p Policy, mx []mail.MX) string {
	for _, m := range mx {
		if !p.Allows(m.Host) {
			return strings.TrimSuffix(m.Host, ".")
		}
	}
	return ""
}

// Gate returns nil unless a policy that is served for one of the domains keeps mail away from
// an exchanger that its MX is about to name: such mail would not arrive, for as long as senders
// remember the policy. A policy that can't be fetched keeps nothing away.
func (f *Fetcher) Gate(ctx context.Context, domains []mail.Domain) error {
	failed := make(chan error, len(domains))
	for _, d := range domains {
		go func() {
			p, err := f.Fetch(ctx, d.Name)
			if host := Excluded(p, d.MX); err == nil && host != "" {
				failed <- fmt.Errorf("the MTA-STS policy of %s, in force for %v, keeps mail away from %s: serve the one that mailpub request policy prints, or one that allows both, and wait until the old one has run out",
					strings.TrimSuffix(d.Name, "."), p.MaxAge, host)
				return
			}
			failed <- nil
		}()
	}

	var errs []error
	for range domains {
		errs = append(errs, <-failed)
	}

	return errors.Join(errs...)
}
