package site

import (
	"context"
	"slices"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/sts"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

// Party is one of those that a plan reads and writes.
type Party struct {
	plan.Party
	About string // what stands behind it: the router's device, the zone's provider
}

// openParties makes the drivers of all parties. Secrets are resolved here, so it fails when
// one can't be read. Nothing is wanted of them yet.
func (s *Site) openParties(ctx context.Context) ([]Party, error) {
	list := []Party{newParty(mail.TargetService, s.server, s.cfg.Service.Type), s.routerParty()}
	for _, z := range s.cfg.Zones {
		driver, err := s.openZone(ctx, z)
		if err != nil {
			return nil, err
		}

		list = append(list, Party{plan.Party{
			Target: mail.ZoneTarget(z.Name),
			Driver: driver,
		}, z.Provider})
	}

	reverse, err := providers.Open("manual", zone.Options{Zone: ".", Resolver: s.resolver})
	if err != nil {
		return nil, err
	}

	list = append(list, newParty(mail.TargetReverse, reverse, ""))

	if slices.ContainsFunc(s.spec.Domains, func(d mail.Domain) bool {
		return d.Policy() != nil
	}) {
		list = append(list, newParty(mail.TargetWeb, &sts.Driver{Fetcher: s.policies()}, ""))
	}

	return list, nil
}

// newParty is a party of a kind that a site has one of.
func newParty(kind string, driver plan.Driver, about string) Party {
	return Party{plan.Party{Target: plan.Target{Kind: kind}, Driver: driver}, about}
}

func (s *Site) routerParty() Party {
	about := ""
	if s.router.err == nil {
		about = s.router.ChoiceReason()
	}
	return newParty(mail.TargetRouter, s.router.driver(), about)
}

func (s *Site) openZone(ctx context.Context, z config.Zone) (plan.Driver, error) {
	return openZone(ctx, s.cfg, z, s.resolver, s.pool, s.options)
}

// openZone makes the driver of a zone of the config. Its secrets are resolved here.
func openZone(ctx context.Context, cfg *config.Config, z config.Zone, resolver *resolver.Resolver, pool *zone.Shared, o Options) (plan.Driver, error) {
	i := slices.IndexFunc(cfg.Zones, func(other config.Zone) bool {
		return other.Name == z.Name
	})

	settings, err := cfg.ResolvedSettings(ctx, i)
	if err != nil {
		return nil, err
	}

	driver, err := providers.Open(z.Provider, zone.Options{
		Zone:        z.Name,
		TTL:         z.TTL,
		Settings:    settings,
		Resolver:    resolver,
		Nameservers: z.Nameservers,
		Shared:      pool,
		HTTPClient:  o.HTTPClient,
		Budgets:     o.Shared.budgets(),
		Logger:      o.logger(),
	})

	if err != nil {
		return nil, err
	}

	if o.reading != nil {
		if r := o.reading(z); r != nil {
			driver.(*zone.Zone).Remember(r)
		}
	}

	return driver, nil
}

// assignDesired fills in what is wanted of each party.
func assignDesired(parties []Party, desired mail.Desired, server mailsvc.Server) {
	for i := range parties {
		p := &parties[i]
		switch p.Target.Kind {
		case mail.TargetService:
			p.Wanted = server.Spell(desired.Service)
		case mail.TargetRouter:
			p.Wanted = desired.Forwards
		case mail.TargetReverse:
			p.Wanted = desired.ByHand
		case mail.TargetWeb:
			p.Wanted = desired.Policies
		case plan.TargetZone:
			p.Wanted = applyProviderLimits(p.Driver, desired.Zones[mail.FQDN(p.Target.Name)])
		}
	}
}

// applyProviderLimits makes a manual step of what the zone's provider can't hold.
func applyProviderLimits(driver plan.Driver, items []plan.Item) []plan.Item {
	limited, ok := driver.(plan.Limiter)
	if !ok {
		return items
	}

	for i, it := range items {
		if why := limited.Refuses(it); why != "" && it.ByHand == "" {
			items[i].ByHand = why + ": set it manually, if the provider allows that"
		}
	}

	return items
}

// applyChangeLimits makes a manual step of changes that a zone's provider can't carry out, where
// that depends on what is there.
func applyChangeLimits(parties []Party, changes []plan.Change) {
	limits := map[plan.Target]func(plan.Change) string{}
	for _, p := range parties {
		if l, ok := p.Driver.(plan.ChangeLimiter); ok {
			limits[p.Target] = l.RefusesChange
		}
	}

	for i, c := range changes {
		refuses, ok := limits[c.Target]
		if !ok || !c.Writes() {
			continue
		}

		if why := refuses(c); why != "" {
			changes[i].Action = plan.Manual
			changes[i].Reason = why + ": do it manually, if the provider allows that"
		}
	}
}
