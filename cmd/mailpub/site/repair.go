package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Repair puts back what was ordered, under the site's lock; it does not wait for that (watch.ErrBusy).
// It never takes over what mailpub did not put in place.
func (m *Monitor) Repair(ctx context.Context, o watch.RepairRequest) (out watch.RepairResult, err error) {
	lock, err := tryLock(ctx, m.cfg, m.options, 0)
	if errors.Is(err, plan.ErrLocked) {
		return out, watch.ErrBusy
	}
	if err != nil {
		return out, err
	}

	defer lock.Close()

	rest := slices.DeleteFunc(slices.Clone(o.Kinds), func(k string) bool {
		return k == watch.Router
	})

	if len(rest) < len(o.Kinds) { // at once, whatever the others have
		err = lock.repairRouter(ctx, &out)
	}

	if len(rest) > 0 {
		err = errors.Join(err, lock.repairRest(ctx, rest, o.Address, &out))
	}

	if err == nil {
		m.messages.sent().At = time.Time{} // the next look sends its messages again
		m.messages.save()
	}

	out.Leases, out.Renew = leases(lock.held.Ledger(), func(plan.Entry) bool {
		return true
	})

	return out, err
}

// repairRouter asks nobody but the router.
func (l *Lock) repairRouter(ctx context.Context, out *watch.RepairResult) error {
	s, err := l.openRouterOnly(ctx)
	if err != nil {
		return err
	}

	p, err := s.planForwards(ctx)
	if err != nil {
		return err
	}

	return s.repair(ctx, p, func(c plan.Change) bool {
		return isRepair(l.held.Ledger(), watch.Router, c)
	}, out)
}

// errMoved means that the public address is not the one any more that DNS was to follow.
var errMoved = errors.New("the public address changed again meanwhile")

func (l *Lock) repairRest(ctx context.Context, kinds []string, agreed []netip.Addr, out *watch.RepairResult) error {
	s, err := l.Open(ctx)
	if err != nil {
		return err
	}

	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}

	var following []plan.Change
	if slices.Contains(kinds, watch.Address) {
		if !slices.Equal(s.spec.Public, agreed) {
			return fmt.Errorf("%w: it is %v, but %v was agreed on", errMoved, s.spec.Public,
				agreed)
		}
		if following, err = mail.AddressUpdate(p.Plan, s.spec.Host,
			l.held.Ledger()); err != nil {
			return err
		}
	}

	follows := func(c plan.Change) bool {
		return slices.ContainsFunc(following, func(f plan.Change) bool {
			return f.Key == c.Key
		})
	}

	before := len(out.Done)
	err = s.repair(ctx, p, func(c plan.Change) bool {
		return follows(c) || slices.ContainsFunc(kinds, func(k string) bool {
			return isRepair(l.held.Ledger(), k, c)
		})
	}, out)

	for _, c := range out.Done[before:] {
		if follows(c) {
			out.Moved = append(out.Moved, c)
		}
	}

	if len(out.Moved) > 0 {
		out.Moved = append(out.Moved, slices.DeleteFunc(following, func(c plan.Change) bool {
			return c.Action != plan.Manual
		})...)
	}

	return err
}

// repair applies those changes of a plan that are repairs.
func (s *Site) repair(ctx context.Context, p *Plan, is func(plan.Change) bool, out *watch.RepairResult) error {
	only := p.Only(s.ledger, is)
	out.Found = append(out.Found, only.Changes...)
	untouched := func(e plan.PartyError) bool {
		return !slices.ContainsFunc(only.Changes, func(c plan.Change) bool {
			return c.Target == e.Target && c.Writes()
		})
	}

	if only.Writes() > 0 { // a party that can't be read is no reason to leave the others
		only.Failed = slices.DeleteFunc(only.Failed, untouched)
	}

	return s.apply(ctx, &Plan{
		Plan:    only,
		Site:    s,
		Parties: p.Parties,
	}, false, func(e plan.Event) {
		if e.Phase == plan.Done {
			out.Done = append(out.Done, e.Change)
		}
	})
}
