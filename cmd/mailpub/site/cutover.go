package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// Errors of a cutover that stopped between two steps.
var (
	ErrStillOld = errors.New("the lower TTL is not everywhere yet")
	ErrNotMoved = errors.New("the records were changed, but their checks fail; the TTL stays low, for a quick rollback")
)

// requiredChecks have to pass before the TTL goes back up.
var requiredChecks = []string{catalog.HostA, catalog.MXExists, catalog.MXExpected,
	catalog.MXTarget, catalog.SMTPBanner, catalog.MailLocal}

// CutoverOptions say how a cutover is carried out.
type CutoverOptions struct {
	Consent  Consent
	Wait     time.Duration // for name servers to agree
	Patience time.Duration // it waits for the old TTL no longer than this
}

// Consent is asked before something is written.
type Consent interface {
	// Confirm asks about a cutover as a whole, of which p is the plan. adopt is the consent to
	// take over existing records and forwards.
	Confirm(ctx context.Context, p *Plan) (adopt bool, err error)

	// Approve asks about a plan that is about to be carried out, if that was not confirmed.
	Approve(ctx context.Context, p *Plan) (adopt bool, err error)
}

func cutoverPath(cfg *config.Config) string {
	return filepath.Join(StateDir(cfg), cfg.Site+".cutover.json")
}

// CutoverUnderWay returns the cutover that a site is in the middle of; nil where there is none.
func CutoverUnderWay(cfg *config.Config) (*mail.Cutover, error) {
	data, err := durable.Read(cutoverPath(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}

	c, err := mail.DecodeCutover(data, cfg.Site)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cutoverPath(cfg), err)
	}

	return c, nil
}

// Cutover moves live records without losing mail: it lowers the TTL, waits until the old one has run
// out, changes the records, verifies, and restores the TTL. Each step has the lock and a plan of its
// own. Where the wait is longer than the patience it returns how long that is (left); a later call
// continues, whatever happened in between.
func Cutover(ctx context.Context, cfg *config.Config, o Options, co CutoverOptions) (left time.Duration, err error) {
	m := &cutover{cfg: cfg, options: o, CutoverOptions: co}
	if m.state, err = CutoverUnderWay(cfg); err != nil {
		return 0, err
	}

	if m.state == nil || m.state.Since.IsZero() {
		if err := m.step(ctx, m.lower); err != nil || m.state == nil {
			return 0, err
		}
	}

	if left, err = m.waitOut(ctx); left > 0 || err != nil {
		return left, err
	}
	if err := m.step(ctx, m.change); err != nil {
		return 0, err
	}

	m.restoring = true
	if err := m.step(ctx, m.restore); err != nil {
		return 0, err
	}

	return 0, os.Remove(cutoverPath(cfg))
}

// cutover carries out a cutover, one step under the site's lock at a time.
type cutover struct {
	CutoverOptions
	cfg     *config.Config
	options Options
	state   *mail.Cutover // nil before the first step and after the last

	restoring bool // the records are to have their former TTL again
}

// step runs one step on a fresh plan, under the lock.
func (m *cutover) step(ctx context.Context, do func(context.Context, *Site, *Plan) error) error {
	lock, err := NewLock(ctx, m.cfg, m.options)
	if err != nil {
		return err
	}

	defer lock.Close()

	s, err := lock.Open(ctx)
	if err != nil {
		return err
	}

	if m.restoring {
		s.spec.TTLs = m.state.TTLs()
	}

	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}

	return do(ctx, s, p)
}

func (m *cutover) save() error {
	data, err := json.MarshalIndent(m.state, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(cutoverPath(m.cfg), append(data, '\n'))
}

// tell tells of a step.
func (m *cutover) tell(step CutoverStep) {
	if m.state != nil {
		for _, k := range m.state.Moving {
			step.Moving = append(step.Moving, k.Key())
		}
	}
	m.options.tell(step)
}

// carryOut has a plan approved, and applies it.
func (m *cutover) carryOut(ctx context.Context, s *Site, p *Plan) error {
	adopt, err := m.Consent.Approve(ctx, p)
	if err != nil {
		return err
	}
	return s.Apply(ctx, p, adopt)
}

// lower carries out everything but the move itself, and lowers the TTL of what will move.
func (m *cutover) lower(ctx context.Context, s *Site, p *Plan) error {
	movers := mail.MovingChanges(p.Changes)
	if len(movers) == 0 && m.state == nil {
		m.tell(CutoverStep{Step: CutoverNothing})
		if err := m.carryOut(ctx, s, p); err != nil {
			return err
		}
		s.WaitPropagated(ctx, p.Changes, m.Wait)
		return nil
	}

	adopt, err := m.Consent.Confirm(ctx, p)
	if err != nil {
		return err
	}

	var lower []plan.Change
	if m.state == nil {
		m.state, lower = mail.NewCutover(m.cfg.Site, movers, lowTTL(p, movers))
	} else { // the last run died here
		_, lower = mail.NewCutover(m.cfg.Site, movers, m.state.TTL)
	}

	m.tell(CutoverStep{Step: CutoverLower, TTL: time.Duration(m.state.TTL) * time.Second})
	first := p.withChanges(withLoweredTTLs(p.Changes, m.state, lower))
	if len(first.Takeovers()) == 0 || adopt { // else Apply refuses, and nothing has begun
		if err := m.save(); err != nil {
			return err
		}
	}

	if err := m.carryOut(ctx, s, first); err != nil {
		return err
	}

	if seen := s.WaitPropagated(ctx, lower, max(m.Wait, time.Second)); len(seen.Behind) > 0 {
		return fmt.Errorf("%w: %s", ErrStillOld, StaleServers(seen.Behind))
	}

	m.state.Since = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	return m.save()
}

// withChanges is the plan with other changes.
func (p *Plan) withChanges(changes []plan.Change) *Plan {
	inner := *p.Plan
	inner.Changes = changes
	return &Plan{Plan: &inner, Site: p.Site, Parties: p.Parties}
}

// withLoweredTTLs returns changes with what moves taken out and lower in its place.
func withLoweredTTLs(changes []plan.Change, c *mail.Cutover, lower []plan.Change) (out []plan.Change) {
	for _, ch := range changes {
		if !c.IsMoving(ch.Key) {
			out = append(out, ch)
			continue
		}

		if i := slices.IndexFunc(lower, func(l plan.Change) bool {
			return l.Key == ch.Key
		}); i >= 0 {
			out = append(out, lower[i])
		}
	}

	return out
}

// lowTTL returns the lowest usual TTL that every zone with something to move takes.
func lowTTL(p *Plan, movers []plan.Change) int {
	for _, ttl := range []int{60, 120, 300, 600, 3600} {
		_, lower := mail.NewCutover("", movers, ttl)
		refused := slices.ContainsFunc(lower, func(c plan.Change) bool {
			i := slices.IndexFunc(p.Parties, func(party Party) bool {
				return party.Target == c.Target
			})
			limited, ok := p.Parties[i].Driver.(plan.Limiter)
			return ok && limited.Refuses(plan.Item{Key: c.Key, Lines: c.After}) != ""
		})

		if !refused {
			return ttl
		}
	}

	return 3600
}

// waitOut waits until no resolver remembers the old records, unless that takes longer than the
// patience; then it returns how long that is.
func (m *cutover) waitOut(ctx context.Context) (time.Duration, error) {
	until := m.state.Until()
	left := time.Until(until).Round(time.Second)
	if left <= 0 {
		return 0, nil
	}

	if left > m.Patience {
		m.tell(CutoverStep{Step: CutoverLater, Until: until, Left: left})
		return left, nil
	}

	m.tell(CutoverStep{Step: CutoverWait, Until: until, Left: left})
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Until(until)):
		return 0, nil
	}
}

// change moves the records, still with the lower TTL, and verifies them.
func (m *cutover) change(ctx context.Context, s *Site, p *Plan) error {
	m.tell(CutoverStep{Step: CutoverMove})
	moved := p.withChanges(m.state.WithLowTTL(p.Changes))
	if err := m.carryOut(ctx, s, moved); err != nil {
		return err
	}

	s.WaitPropagated(ctx, moved.Changes, m.Wait)

	checks, _ := s.checkWithReceiver(ctx, []string{"dns", "mail"}, func() {})
	checks = slices.DeleteFunc(checks, func(c plan.Check) bool {
		return !slices.Contains(requiredChecks, c.ID)
	})

	m.options.tell(CutoverChecks{catalog.NewReport(m.cfg.Site, checks)})
	if plan.Count(checks).Fail > 0 {
		return ErrNotMoved
	}

	return ctx.Err()
}

// restore gives the records the TTL that the config wants.
func (m *cutover) restore(ctx context.Context, s *Site, p *Plan) error {
	m.tell(CutoverStep{Step: CutoverRestore})
	if err := m.carryOut(ctx, s, p); err != nil {
		return err
	}
	s.WaitPropagated(ctx, p.Changes, m.Wait)
	return nil
}

// WithoutCutover takes out of a plan what a cutover is moving: that is not for an ordinary apply,
// which a scheduler may have started. held is how many changes that are.
func (p *Plan) WithoutCutover() (held int, err error) {
	c, err := CutoverUnderWay(p.Site.cfg)
	if err != nil || c == nil {
		return 0, err
	}

	before := len(p.Changes)
	p.Changes = slices.DeleteFunc(p.Changes, func(ch plan.Change) bool {
		return c.IsMoving(ch.Key) && !ch.Release
	})

	return before - len(p.Changes), nil
}
