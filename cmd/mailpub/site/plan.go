package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/dkim"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/redact"
)

// Plan is what differs between a site and its config, with what carries it out.
type Plan struct {
	*plan.Plan
	Site    *Site
	Parties []Party // in the plan's order

	// Unmade are the records of DKIM keys that are not there yet. What stands for their text in the plan
	// can't be applied: Lock.MakeKeys makes the keys, and gives the plan that can.
	Unmade []plan.Key
}

// Wanted returns what is wanted of a zone of the config; nil where there is no such zone.
func (p *Plan) Wanted(zone string) []plan.Item {
	for _, party := range p.Parties {
		if party.Target == mail.ZoneTarget(zone) {
			return party.Wanted
		}
	}
	return nil
}

// planParties are those of package plan.
func planParties(list []Party) (out []plan.Party) {
	for _, p := range list {
		out = append(out, p.Party)
	}
	return out
}

// Plan makes the plan of the site as the config wants it. It writes nothing. A party that can't be
// read is in Failed; the error is that of a secret, a key, or a public address that is not known.
func (s *Site) Plan(ctx context.Context) (*Plan, error) {
	list, err := s.openParties(ctx)
	if err != nil {
		return nil, err
	}

	list = slices.DeleteFunc(list, func(p Party) bool {
		return !s.options.Scope.target(p.Target)
	})

	spec, unmade, err := s.signing(ctx)
	if err != nil {
		return nil, err
	}

	s.certificates(ctx, &spec)
	for _, p := range s.public {
		if p.err != nil && slices.ContainsFunc(list, func(p Party) bool {
			return isInPart(scopeDNS, p.Target)
		}) {
			return nil, p.err
		}
	}

	desired, err := spec.Desired()
	if err != nil {
		return nil, err
	}

	assignDesired(list, desired, s.server)

	served := s.delegations(ctx)
	defer served.Wait()

	p, err := s.makePlan(ctx, list)
	if err != nil {
		return nil, err
	}

	p.Unmade = unmade
	p.Changes = append(s.delegationSteps(ctx, served, list, p.Failed), p.Changes...)
	s.dnsFacts().RefuseSPF(ctx, p.Changes)
	foretold := len(p.Effects) > 0
	if err := p.limitTo(s.options.Scope, s.ledger); err != nil {
		return nil, err
	}

	if foretold && !s.options.Scope.all() {
		p.Effects = plan.Effects(ctx, planParties(list), p.Changes)
	}

	return p, nil
}

// PlanRemoval makes the plan that takes away what mailpub put in place, as the ledger has it.
func (s *Site) PlanRemoval(ctx context.Context) (*Plan, error) {
	list, err := s.openParties(ctx)
	if err != nil {
		return nil, err
	}
	return s.makePlan(ctx, list)
}

// planForwards makes the plan of the router alone.
func (s *Site) planForwards(ctx context.Context) (*Plan, error) {
	r := s.routerParty()
	r.Wanted = s.spec.ForwardItems()
	return s.makePlan(ctx, []Party{r})
}

// makePlan reads the parties and compares.
func (s *Site) makePlan(ctx context.Context, list []Party) (*Plan, error) {
	made, err := plan.Make(ctx, planParties(list), s.ledger, time.Now())
	if err != nil {
		return nil, err
	}

	applyChangeLimits(list, made.Changes)
	refuseAliases(list, made.Changes)
	p := &Plan{Plan: made, Site: s, Parties: list}
	p.redact(s.cfg.Secrets())

	return p, nil
}

// redact takes the config's secrets out of the reasons in a plan. What is compared stays as it was read.
func (p *Plan) redact(secrets *redact.Set) {
	for i := range p.Changes {
		p.Changes[i].Reason = secrets.Text(p.Changes[i].Reason)
	}
	for i := range p.Failed {
		p.Failed[i].Err = secrets.Error(p.Failed[i].Err)
	}
}

// signing returns the site's spec with what DNS is to say of the domains' DKIM keys, and the records of
// those keys that are not there yet. Where a person enters the records the key has to be there first.
func (s *Site) signing(ctx context.Context) (spec mail.Spec, unmade []plan.Key, err error) {
	spec = s.spec
	spec.Domains = slices.Clone(s.spec.Domains)
	for i, d := range s.cfg.Domains {
		spec.Domains[i].DKIM = slices.Clone(s.spec.Domains[i].DKIM)
		for j, k := range d.DKIM {
			out := &spec.Domains[i].DKIM[j]
			key, err := readKey(ctx, s.cfg, d, k)
			switch {
			case errors.Is(err, dkim.ErrNoKey):
				record := out.RecordKey(spec.Domains[i].Name)
				unmade = append(unmade, record)
				if s.isManualZone(record) {
					out.Missing = "the key does not exist yet: mailpub apply creates it and shows its record; mailpub dkim --make creates it now"
				}
			case err != nil:
				return spec, nil, err
			default:
				out.Text = key.Record()
			}
		}
	}

	return spec, unmade, nil
}

// isManualZone reports whether the zone of a record has no provider that mailpub can write to.
func (s *Site) isManualZone(k plan.Key) bool {
	name, _, _, err := mail.SplitDNSKey(k)
	if err != nil {
		return true
	}

	zone, _ := s.spec.ZoneOf(name)
	i := slices.IndexFunc(s.cfg.Zones, func(z config.Zone) bool {
		return mail.FQDN(z.Name) == mail.FQDN(zone.Name)
	})

	return i >= 0 && s.cfg.Zones[i].Manual()
}

// certificates fills in what DNS is to say of the mail host's keys, where the config asks
// for that: it asks the mail server, and whether the zone is signed.
func (s *Site) certificates(ctx context.Context, spec *mail.Spec) {
	d := s.cfg.Server.DANE
	if d.Certificate == "" {
		return
	}

	for _, from := range []string{d.Certificate, d.Next} {
		if from == "" {
			continue
		}

		digest, err := s.keyDigest(ctx, from)
		if err != nil {
			spec.DANE.Missing = "the key is unknown, so nothing is published: " + err.Error()
			return
		}

		spec.DANE.Digests = append(spec.DANE.Digests, digest)
	}

	spec.Zones = slices.Clone(s.spec.Zones)
	for i, z := range spec.Zones {
		if mail.Within(spec.Host, z.Name) {
			spec.Zones[i].Unsigned = s.dnsFacts().Unsigned(ctx, z.Name)
		}
	}
}

// servedCertificate stands for the certificate that the mail server shows.
const servedCertificate = "served"

func (s *Site) keyDigest(ctx context.Context, from string) (string, error) {
	if from != servedCertificate {
		return smtpclient.KeyDigest(s.cfg.Path(from))
	}

	served, err := smtpclient.Served(ctx, nil, s.SMTPAddr(), s.cfg.Server.Hostname)
	if err != nil {
		return "", fmt.Errorf("asked at %s: %w", s.SMTPAddr(), err)
	}

	return smtpclient.CertificateDigest(served[0]), nil
}

// Unlisted are the forwards that a plan would make on a router that can't say whether it has them.
func (p *Plan) Unlisted() (list []plan.Change) {
	r := p.Site.router
	for _, c := range p.Changes {
		if c.Action == plan.Create && c.Key.Kind == forward.Kind && r.Router != nil &&
			!r.Lists(c.Key) {
			list = append(list, c)
		}
	}

	return list
}

// limitTo takes what is not in the scope out of a plan. It fails on a name that nothing has.
func (p *Plan) limitTo(c Scope, l *plan.Ledger) error {
	if c.all() {
		return nil
	}

	keys := map[plan.Key]bool{}
	for _, e := range l.Entries() {
		keys[e.Key] = true
	}

	for _, ch := range p.Changes {
		keys[ch.Key] = true
	}

	outside := 0
	for _, party := range p.Parties {
		for _, w := range party.Wanted {
			keys[w.Key] = true
			changes := slices.ContainsFunc(p.Changes, func(ch plan.Change) bool {
				return ch.Key == w.Key
			})
			if !changes && !c.change(plan.Change{Target: party.Target, Key: w.Key}) {
				outside++
			}
		}
	}

	if err := c.missing(keys); err != nil {
		return err
	}

	p.Plan = p.Only(l, c.change)
	p.Unchanged = max(p.Unchanged-outside, 0)
	p.Plan.Scope = slices.Clone(c.Only)

	for _, word := range c.Exclude {
		p.Plan.Scope = append(p.Plan.Scope, "-"+word)
	}

	return nil
}
