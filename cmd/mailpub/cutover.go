package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

var (
	errStillOld = errors.New("the lower TTL is not everywhere yet")
	errNotMoved = errors.New("the records were changed, but not all is well there; the TTL stays low, so that the way back is short")
)

// proofs are the checks that have to pass before the TTL goes back up.
var proofs = []string{"host.a", "mx.exists", "mx.expected", "mx.target", "smtp.banner", "mail.local"}

// mover carries out a cutover, one step under the site's lock at a time.
type mover struct {
	*app
	cfg  *config.Config
	ok   consent
	wait time.Duration // for name servers to agree

	patience time.Duration // how long it waits itself for the old TTL to run out
	state    *mail.Cutover // nil before the first step and after the last
}

func cutoverPath(cfg *config.Config) string {
	return filepath.Join(stateDir(cfg), cfg.Site+".cutover.json")
}

// underWay returns the cutover that the site is in the middle of; nil when there is none.
func underWay(cfg *config.Config) (*mail.Cutover, error) {
	data, err := os.ReadFile(cutoverPath(cfg))
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

// cutover moves live records: lower the TTL, wait until the old one has run out, change,
// verify, restore. Where the wait is longer than its patience it says when to come back; a
// later call goes on from there, whatever happened in between.
func (a *app) cutover(ctx context.Context, cfg *config.Config, ok consent, wait, patience time.Duration) error {
	m := &mover{app: a, cfg: cfg, ok: ok, wait: wait, patience: patience}
	if a.json { // what the steps say is progress
		quiet := *a
		quiet.json, quiet.out = false, a.err
		m.app = &quiet
	}
	left, err := m.run(ctx)
	if err == nil && a.json {
		status := "done"
		if left > 0 {
			status = "waiting"
		}
		err = printJSON(a.out, map[string]any{"format": mail.CutoverFormat, "site": cfg.Site, "status": status, "seconds": int(left / time.Second)})
	}
	return err
}

// run returns how long it is until it can go on, zero when all is done.
func (m *mover) run(ctx context.Context) (left time.Duration, err error) {
	if m.state, err = underWay(m.cfg); err != nil {
		return 0, err
	}
	if m.state == nil || m.state.Since.IsZero() {
		if err := m.step(ctx, m.lower); err != nil || m.state == nil {
			return 0, err
		}
		m.ok.yes = true // it was asked about the whole
	}
	if left, err = m.waitOut(ctx); left > 0 || err != nil {
		return left, err
	}
	if err := m.step(ctx, m.change); err != nil {
		return 0, err
	}
	m.ok.yes = true
	if err := m.step(ctx, m.restore); err != nil {
		return 0, err
	}
	return 0, os.Remove(cutoverPath(m.cfg))
}

// step runs one step on a fresh plan while nobody else works on the site.
func (m *mover) step(ctx context.Context, do func(context.Context, *world, *plan.Plan, plan.Lock) error) error {
	return m.locked(ctx, m.cfg, func(f plan.Lock, l *plan.Ledger) error {
		w, p, err := m.plan(ctx, m.cfg, l)
		if err != nil {
			return err
		}
		return do(ctx, w, p, f)
	})
}

func (m *mover) save() error {
	data, err := json.MarshalIndent(m.state, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(cutoverPath(m.cfg), append(data, '\n'))
}

// lower carries out everything but the move itself, and lowers the TTL of what will move.
func (m *mover) lower(ctx context.Context, w *world, p *plan.Plan, f plan.Lock) error {
	movers := mail.Movers(p.Changes)
	if len(movers) == 0 && m.state == nil {
		fmt.Fprintln(m.out, "Nothing that is live moves; this is an ordinary apply.")
		if err := m.carryOut(ctx, w, p, f, m.ok); err != nil {
			return err
		}
		m.settle(ctx, w, p.Changes, m.wait)
		return nil
	}
	if !m.ok.yes {
		m.showPlan(m.out, p, w)
		if err := m.ask(ctx, p, &m.ok); err != nil {
			return err
		}
		m.ok.yes = true
	}
	var lower []plan.Change
	if m.state == nil {
		m.state, lower = mail.NewCutover(m.cfg.Site, movers, lowTTL(w, movers))
	} else { // the last run died here
		_, lower = mail.NewCutover(m.cfg.Site, movers, m.state.TTL)
	}
	m.say("1. Lowering the TTL of %s to %s, and doing all that does not move.", m.moving(), plan.Spell(time.Duration(m.state.TTL)*time.Second))
	first := *p
	first.Changes = replaced(p.Changes, m.state, lower)
	if len(first.Adoptions()) == 0 || m.ok.adopt { // else carryOut refuses, and nothing has begun
		if err := m.save(); err != nil {
			return err
		}
	}
	if err := m.carryOut(ctx, w, &first, f, m.ok); err != nil {
		return err
	}
	if s := m.settle(ctx, w, lower, max(m.wait, time.Second)); len(s.Behind) > 0 {
		return fmt.Errorf("%w: %s", errStillOld, behindText(s.Behind))
	}
	m.state.Since = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	return m.save()
}

// replaced returns changes with what moves taken out and lower in its place.
func replaced(changes []plan.Change, c *mail.Cutover, lower []plan.Change) (out []plan.Change) {
	for _, ch := range changes {
		if !c.Holds(ch.Key) {
			out = append(out, ch)
			continue
		}
		if i := slices.IndexFunc(lower, func(l plan.Change) bool { return l.Key == ch.Key }); i >= 0 {
			out = append(out, lower[i])
		}
	}
	return out
}

// lowTTL returns the lowest usual TTL that every zone with something to move takes.
func lowTTL(w *world, movers []plan.Change) int {
	for _, ttl := range []int{60, 120, 300, 600, 3600} {
		_, lower := mail.NewCutover("", movers, ttl)
		refused := slices.ContainsFunc(lower, func(c plan.Change) bool {
			i := slices.IndexFunc(w.parties, func(p plan.Party) bool { return p.Target == c.Target })
			limited, ok := w.parties[i].Driver.(plan.Limiter)
			return ok && limited.Refuses(plan.Item{Key: c.Key, Lines: c.After}) != ""
		})
		if !refused {
			return ttl
		}
	}
	return 3600
}

// waitOut waits until nobody remembers the old records, unless that takes longer than its
// patience; then it says when to come back, and returns how long that is.
func (m *mover) waitOut(ctx context.Context) (time.Duration, error) {
	left := time.Until(m.state.Until()).Round(time.Second)
	if left <= 0 {
		return 0, nil
	}
	at := m.state.Until().Local().Format("2006-01-02 15:04:05")
	if left > m.patience {
		m.say("2. The old TTL has run out everywhere at %s, in %s. Come back then: mailpub%s apply --cutover", at, plan.Spell(left), m.configFlag())
		return left, nil
	}
	m.say("2. Waiting until %s, for %s, when the old TTL has run out everywhere.", at, plan.Spell(left))
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Until(m.state.Until())):
		return 0, nil
	}
}

// change moves the records, still with the lower TTL, and has it proved.
func (m *mover) change(ctx context.Context, w *world, p *plan.Plan, f plan.Lock) error {
	m.say("3. Moving %s.", m.moving())
	moved := *p
	moved.Changes = m.state.Hold(p.Changes)
	if err := m.carryOut(ctx, w, &moved, f, m.ok); err != nil {
		return err
	}
	m.settle(ctx, w, moved.Changes, m.wait)
	stop, _ := m.standIn(ctx, w)
	checks := w.check(ctx, []string{"dns", "mail"})
	stop()
	checks = slices.DeleteFunc(checks, func(c plan.Check) bool { return !slices.Contains(proofs, c.ID) })
	m.showChecks(m.out, checks)
	if plan.Count(checks).Fail > 0 {
		return errNotMoved
	}
	return ctx.Err()
}

// restore gives the records the TTL that the config wants.
func (m *mover) restore(ctx context.Context, w *world, p *plan.Plan, f plan.Lock) error {
	m.say("4. Restoring the TTL.")
	if err := m.carryOut(ctx, w, p, f, m.ok); err != nil {
		return err
	}
	m.settle(ctx, w, p.Changes, m.wait)
	return nil
}

// say prints a step's headline.
func (m *mover) say(format string, args ...any) {
	fmt.Fprintf(m.out, "%s\n", m.look.bold(fmt.Sprintf(format, args...)))
}

// moving names what moves.
func (m *mover) moving() string {
	var names []string
	for _, k := range m.state.Moving {
		names = append(names, strings.Replace(k.Name, ". ", " ", 1))
	}
	return strings.Join(names, ", ")
}

// withoutMoving takes out of a plan what a cutover is moving: that is not for an ordinary
// apply, which a scheduler may have started.
func (a *app) withoutMoving(cfg *config.Config, p *plan.Plan) error {
	c, err := underWay(cfg)
	if err != nil || c == nil {
		return err
	}
	before := len(p.Changes)
	p.Changes = slices.DeleteFunc(p.Changes, func(ch plan.Change) bool { return c.Holds(ch.Key) && !ch.Release })
	if held := before - len(p.Changes); held > 0 {
		fmt.Fprintf(a.err, "a cutover is under way: %s left to mailpub%s apply --cutover\n", count(held, "change"), a.configFlag())
	}
	return nil
}
