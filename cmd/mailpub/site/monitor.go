package site

import (
	"context"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/mailsvc/roundtrip"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// Monitor looks at one site again and again, repairs it, and hears its router, as watch does. Each
// look and each repair opens the site anew. Look and Repair may not be called at the same time.
type Monitor struct {
	cfg       *config.Config
	options   Options
	announcer routerAddrFeed

	// Checks that send messages to people's mailboxes are run once a day, and until they pass.
	messages messageStore

	api *apiReader // nil: providers are read whole at each look
}

// NewMonitor returns the monitor of a site.
func NewMonitor(cfg *config.Config, o Options) *Monitor {
	return &Monitor{cfg: cfg, options: o, announcer: make(routerAddrFeed, 1)}
}

// KeepMessages has the monitor keep what messages showed, and begin with what an earlier process kept for the
// same config. With Options.MessagesNow it begins without. Nothing is read before the first look.
func (m *Monitor) KeepMessages(digest string) {
	m.messages = messageStore{
		state:  m.options.state(m.cfg),
		unread: !m.options.MessagesNow,
		last:   sentMessages{Digest: digest},
		log:    m.options.logger(),
	}

	m.api = &apiReader{
		state:  m.options.state(m.cfg),
		digest: digest,
		log:    m.options.logger(),
		now:    time.Now,
	}
}

// Listen hears the router's announcements from the first look on, until ctx is done.
func (m *Monitor) Listen(ctx context.Context, tell func(watch.RouterEvent)) error {
	l := nat.Listener{Interface: m.cfg.Router.Interface, Logger: m.options.logger()}
	return m.announcer.listen(ctx, l, tell)
}

// Observe plans and verifies, and goes as far as it can.
func (m *Monitor) Observe(ctx context.Context) (f watch.Observation) {
	f.Report.Site = m.cfg.Site
	release, err := m.options.Shared.useMailHost(ctx, smtpAddr(m.cfg, m.cfg.PlanSite()))
	if err != nil {
		f.Err = err
		return f
	}

	defer release()

	l, err := m.options.backend(m.cfg).Read(ctx)
	var p *Plan
	if err == nil {
		p, err = m.observe(ctx, l, &f)
	}

	f.Err = err
	if l != nil {
		f.Leases, f.Renew = leases(l, p.isInPlace)
	}

	return f
}

func (m *Monitor) observe(ctx context.Context, l *plan.Ledger, f *watch.Observation) (*Plan, error) {
	o := m.options
	if m.api != nil {
		m.api.begin(m.cfg, l)
		o.reading = m.api.reading
	}

	s, err := Open(ctx, m.cfg, l, o)
	if err != nil {
		return nil, err
	}

	m.announcer.set(m.cfg, s.router)

	f.Public = s.spec.Public
	for _, p := range s.public {
		for _, source := range p.seen {
			if source.err == nil {
				f.Sightings = append(f.Sightings, watch.AddressAnswer{
					Source: source.name,
					Addr:   source.addr,
				})
			}
		}
	}

	p, err := s.Plan(ctx)
	if m.api != nil && ctx.Err() == nil {
		f.APIRead = m.api.end(p)
	}

	f.Report = catalog.NewReport(m.cfg.Site, s.ignore(m.verify(ctx, s), time.Now()))
	if p != nil {
		f.Report.Changes = p.Changes
		f.Unread = p.Failed
		f.Mendable = repairable(p)
	}

	return p, err
}

// repairable are the kinds of repairs that a plan has something for.
func repairable(p *Plan) (kinds []string) {
	l := p.Site.ledger
	for _, kind := range []string{watch.Router, watch.DNS, watch.Service} {
		if slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
			return isRepair(l, kind, c)
		}) {
			kinds = append(kinds, kind)
		}
	}

	if changes, err := mail.AddressUpdate(p.Plan, p.Site.spec.Host, l); err != nil ||
		slices.ContainsFunc(changes, plan.Change.Writes) {
		kinds = append(kinds, watch.Address)
	}

	return kinds
}

// isRepair reports whether a change is a repair of a kind.
func isRepair(l *plan.Ledger, kind string, c plan.Change) bool {
	of := map[string]string{watch.Router: forward.Kind, watch.DNS: "dns",
		watch.Service: "service"}
	return c.Key.Kind == of[kind] && l.Restores(c)
}

// verify runs the checks. Those that leave a message in a mailbox are run once a day, after a repair or a change of
// the public address, and as long as one of them fails; in between, what they found stands.
func (m *Monitor) verify(ctx context.Context, s *Site) []plan.Check {
	ids := append(roundtrip.OutboundIDs(), probedIDs()...)
	if s.cfg.Service.Maildir == "" { // else mailpub takes its own message away again
		ids = append(ids, catalog.MailLocal, catalog.MailRead)
	}

	is := func(c plan.Check) bool {
		return slices.Contains(ids, c.ID) || c.Subject.Outside
	}

	sent := m.messages.sent()
	if !sent.due(s.spec.Public, time.Now()) {
		return append(s.checkExcept(ctx, ids), sent.checks()...)
	}

	checks := s.check(ctx, nil)
	before := sent.checks()
	sent.At = time.Now()
	sent.Public = slices.Clone(s.spec.Public)
	sent.Checks = nil

	for i, c := range checks {
		if !is(c) {
			continue
		}
		checks[i] = stillFailing(c, before)
		sent.add(checks[i])
	}

	m.messages.save()
	return checks
}

// stillFailing is the finding of a check that sends a message. One that could not be looked at again, as the messages
// of the day are used up, stays what it was: what failed is not well because nobody looks.
func stillFailing(c plan.Check, before []plan.Check) plan.Check {
	if c.Status != plan.Skip {
		return c
	}

	for _, was := range before {
		if was.ID == c.ID && was.Subject == c.Subject && was.Status == plan.Fail {
			return was
		}
	}

	return c
}

// leases lists those forwards of a ledger that are there, and says when the first of all
// has to be renewed. What was not seen may have ended, whatever the ledger says.
func leases(l *plan.Ledger, there func(plan.Entry) bool) (seen []watch.Lease, renew time.Time) {
	for _, e := range l.Of(forward.Kind) {
		if e.Text == nil {
			continue
		}

		lease := watch.Lease{Key: e.Key}
		if g := e.Grant; g != nil && g.Lifetime > 0 {
			lease.Until = g.Expires()
			half := g.At.Add(g.Lifetime/2 + time.Second) // from then on plan says so
			if renew.IsZero() || half.Before(renew) {
				renew = half
			}
		}

		if there(e) {
			seen = append(seen, lease)
		}
	}

	return seen, renew
}

// isInPlace reports whether the plan saw that an entry of the ledger is in place; without a plan nothing
// was seen.
func (p *Plan) isInPlace(e plan.Entry) bool {
	if p == nil || slices.ContainsFunc(p.Failed, func(f plan.PartyError) bool {
		return f.Target == e.Target
	}) {
		return false
	}
	i := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Key == e.Key })
	return i < 0 || p.Changes[i].Action != plan.Unreadable && len(p.Changes[i].Before) > 0
}
