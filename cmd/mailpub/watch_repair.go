package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
	"github.com/mailpub/mailpub/plan/mail"
)

// repair puts back what was ordered, under the lock.
func (s *watched) repair(ctx context.Context, o watch.Order) (out watch.Outcome, err error) {
	file, err := ledger.Files{Dir: stateDir(s.cfg), Site: s.cfg.Site}.Lock(ctx, 0)
	if errors.Is(err, plan.ErrLocked) {
		return out, watch.ErrBusy
	}
	if err != nil {
		return out, err
	}
	defer file.Unlock()
	l := file.Ledger()
	rest := slices.DeleteFunc(slices.Clone(o.Kinds), func(k string) bool { return k == watch.Router })
	if len(rest) < len(o.Kinds) { // at once, whatever the others have
		err = s.repairRouter(ctx, l, file, &out)
	}
	if len(rest) > 0 {
		err = errors.Join(err, s.repairRest(ctx, l, file, rest, o.Address, &out))
	}
	out.Leases, out.Renew = leases(l)
	return out, err
}

// repairRouter asks nobody but the router.
func (s *watched) repairRouter(ctx context.Context, l *plan.Ledger, file plan.Lock, out *watch.Outcome) error {
	w := newWorld(s.cfg, l)
	six := pinholeAddress(s.cfg.PlanSite(), l)
	s.a.openRouter(ctx, w, six)
	if w.routerErr != nil {
		return w.routerErr
	}
	w.site = s.cfg.PlanSite(six)
	w.shut(ctx)
	w.parties = []plan.Party{{Target: plan.Target{Kind: mail.TargetRouter}, Driver: w.router, Wanted: w.site.ForwardItems()}}
	p, err := plan.Make(ctx, w.parties, l, time.Now())
	if err != nil {
		return err
	}
	return s.carryOut(ctx, w, p.Only(l, func(c plan.Change) bool { return restores(l, watch.Router, c) }), file, out)
}

// errMoved means that the public address is not the one any more that DNS was to follow.
var errMoved = errors.New("the public address changed again meanwhile")

func (s *watched) repairRest(ctx context.Context, l *plan.Ledger, file plan.Lock, kinds []string, agreed []netip.Addr, out *watch.Outcome) error {
	w, p, err := s.a.plan(ctx, s.cfg, l)
	if err != nil {
		return err
	}
	var following []plan.Change
	if slices.Contains(kinds, watch.Address) {
		if !slices.Equal(w.site.Public, agreed) {
			return fmt.Errorf("%w: it is %v, and %v was agreed on", errMoved, w.site.Public, agreed)
		}
		if following, err = mail.Following(p, w.site.Host, l); err != nil {
			return err
		}
	}
	follows := func(c plan.Change) bool {
		return slices.ContainsFunc(following, func(f plan.Change) bool { return f.Key == c.Key })
	}
	before := len(out.Done)
	err = s.carryOut(ctx, w, p.Only(l, func(c plan.Change) bool {
		return follows(c) || slices.ContainsFunc(kinds, func(k string) bool { return restores(l, k, c) })
	}), file, out)
	for _, c := range out.Done[before:] {
		if follows(c) {
			out.Moved = append(out.Moved, c)
		}
	}
	if len(out.Moved) > 0 {
		out.Moved = append(out.Moved, slices.DeleteFunc(following, func(c plan.Change) bool { return c.Action != plan.Manual })...)
	}
	return err
}

// carryOut applies a plan that was cut down to repairs.
func (s *watched) carryOut(ctx context.Context, w *world, p *plan.Plan, file plan.Lock, out *watch.Outcome) error {
	out.Found = append(out.Found, p.Changes...)
	touched := func(e plan.PartyError) bool {
		return !slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Target == e.Target && c.Writes() })
	}
	if p.Writes() > 0 { // a party that can't be read is no reason to leave the others
		p.Failed = slices.DeleteFunc(p.Failed, touched)
	}
	return plan.Apply(ctx, p, w.parties, w.ledger, file, plan.Options{Gates: w.gates(p), Progress: func(e plan.Event) {
		if e.Phase == plan.Done {
			out.Done = append(out.Done, e.Change)
		}
	}})
}
