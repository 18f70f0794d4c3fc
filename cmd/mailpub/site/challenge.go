package site

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/certs"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
	"github.com/mailpub/mailpub/providers/zone"
)

// challengeWait is how long the name servers have to agree on the answer to a challenge.
const challengeWait = 2 * time.Minute

// dnsChallenge answers ACME challenges in a zone of the site.
type dnsChallenge struct {
	facts dnscheck.Facts
	zone  *zone.Zone
}

// NewDNSChallenge returns what answers the ACME challenges of the mail host's certificate, in the
// zone that holds the host's name. The zone's secrets are resolved here.
func NewDNSChallenge(ctx context.Context, cfg *config.Config, o Options) (certs.DNSChallenge, error) {
	spec := cfg.PlanSite()
	resolver := newResolver(cfg)
	holder, _ := spec.ZoneOf(spec.Host) // config has checked that there is one
	i := slices.IndexFunc(cfg.Zones, func(z config.Zone) bool {
		return mail.FQDN(z.Name) == holder.Name
	})

	driver, err := openZone(ctx, cfg, cfg.Zones[i], resolver, o.Shared.pool(), o)
	if err != nil {
		return nil, err
	}

	return dnsChallenge{facts: dnsFacts(cfg, spec, resolver), zone: driver.(*zone.Zone)}, nil
}

// Publish implements certs.Prover.
func (p dnsChallenge) Publish(ctx context.Context, name, text string) error {
	c, err := p.zone.AddText(ctx, name, text)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, challengeWait)
	defer cancel()

	c.Action = plan.Update
	if seen := p.facts.WaitPropagated(ctx, []plan.Change{c}, nil); len(seen.Behind) > 0 {
		return fmt.Errorf("not everywhere within %v: %s", challengeWait,
			StaleServers(seen.Behind))
	}

	return nil
}

// Withdraw implements certs.Prover.
func (p dnsChallenge) Withdraw(ctx context.Context, name, text string) error {
	_, err := p.zone.RemoveText(ctx, name, text)
	return err
}
