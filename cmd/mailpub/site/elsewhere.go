package site

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
	"github.com/mailpub/mailpub/providers/zone"
)

// zonesAtOnce is how many zones are compared with their delegation at a time.
const zonesAtOnce = 16

// delegations begins to ask who serves the zones that the plan writes.
func (s *Site) delegations(ctx context.Context) *dnscheck.Delegations {
	f := s.dnsFacts()
	f.Written = map[string]dnscheck.WrittenZone{}
	var zones []string

	for _, z := range s.cfg.Zones {
		w, ok := writtenAt(z)
		if !ok || slices.Contains(z.Nameservers, w.Server) {
			continue // a person's, or the server that is asked is the one that is written
		}
		f.Written[mail.FQDN(z.Name)] = w
		zones = append(zones, z.Name)
	}

	return f.Delegated(ctx, zones)
}

// delegationSteps returns a manual step for each zone that is written where the delegated servers do not get
// it from: until it is done, what apply writes there is not seen. The zones were read, but for failed.
func (s *Site) delegationSteps(ctx context.Context, d *dnscheck.Delegations, list []Party, failed []plan.PartyError) (steps []plan.Change) {
	s.elsewhere = nil
	found := make([]*dnscheck.UndelegatedZone, len(list))
	var group errgroup.Group
	group.SetLimit(zonesAtOnce)

	for i, party := range list {
		driver, ok := party.Driver.(*zone.Zone)
		unread := slices.ContainsFunc(failed, func(e plan.PartyError) bool {
			return e.Target == party.Target
		})

		if !ok || party.Target.Kind != plan.TargetZone || unread {
			continue
		}

		group.Go(func() error {
			var held dnscheck.ZoneContent
			held.Items, held.SOA, held.Hosts = driver.Seen(comparedKeys(party.Wanted))
			found[i] = d.Undelegated(ctx, party.Target.Name, held)
			return nil
		})
	}

	_ = group.Wait()
	for i, e := range found {
		if e == nil {
			continue
		}

		s.elsewhere = append(s.elsewhere, e.Zone)
		steps = append(steps, plan.Change{
			Target: list[i].Target,
			Key:    mail.DNSKey(e.Zone, "NS"),
			Action: plan.Manual,
			Stage:  plan.StageService,
			Before: e.Hosts,
			After:  e.Own,
			Reason: e.String() + "; " + e.Hint(),
		})
	}

	return steps
}

// comparedKeys are the keys that are compared with what the delegated servers have.
func comparedKeys(items []plan.Item) (keys []plan.Key) {
	for _, it := range items {
		if len(keys) == dnscheck.MostCompared {
			break
		}
		if it.ByHand == "" {
			keys = append(keys, it.Key)
		}
	}

	return keys
}

// isUndelegated reports whether the delegated servers do not get a zone from where it is written, as the
// last plan found.
func (s *Site) isUndelegated(t plan.Target) bool {
	return t.Kind == plan.TargetZone && slices.Contains(s.elsewhere, mail.FQDN(t.Name))
}
