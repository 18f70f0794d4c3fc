package site

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
)

// Apply carries out a plan of the site, in its order, and stops at the first error. What was done
// before is in the ledger, and a later Apply of a new plan continues. adopt is the consent to take
// over what mailpub did not put in place; without it Apply refuses such a plan (plan.ErrConsent).
// It fails where the site was opened without its lock, or a party could not be read.
func (s *Site) Apply(ctx context.Context, p *Plan, adopt bool) error {
	s.options.tell(ApplyStarted{p})
	done, of := 0, 0
	err := s.apply(ctx, p, adopt, func(e plan.Event) {
		if e.Of > 0 {
			of = e.Of
		}

		if e.Phase == plan.Done {
			done++
		}

		e.Err = s.cfg.Secrets().Error(e.Err)
		s.options.tell(ApplyProgress{e})
	})

	if errors.Is(err, nat.ErrDoubleNAT) && errors.Is(s.router.wanErr, nat.ErrDoubleNAT) &&
		!errors.As(err, new(plan.GateError)) {
		err = fmt.Errorf("%w; %w", err, s.bothAddresses())
	}

	if err != nil {
		err = withProgress(ctx, err, done, of)
	}

	err = s.cfg.Secrets().Error(err)
	s.options.tell(ApplyEnded{Plan: p, Done: done, Err: err})
	return err
}

// apply carries out a plan.
func (s *Site) apply(ctx context.Context, p *Plan, adopt bool, progress func(plan.Event)) error {
	if s.lock == nil {
		return ErrReadOnly
	}

	for _, c := range p.Changes {
		if c.Writes() && slices.Contains(p.Unmade, c.Key) { // its text is none
			return fmt.Errorf("%s: the key does not exist yet; create it with mailpub dkim --make",
				c.Key.Name)
		}
	}

	return plan.Apply(ctx, p.Plan, planParties(p.Parties), s.ledger, s.lock, plan.Options{
		Gates:    s.gates(p),
		Adopt:    adopt,
		Progress: progress,
	})
}

// withProgress adds to an error how many changes were carried out before it. After an interrupt, what
// the network said of that does not matter.
func withProgress(ctx context.Context, err error, done, of int) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %s: %w", countChanges(done), ctx.Err())
	}
	if errors.Is(err, plan.ErrConsent) || of == 0 {
		return err
	}
	if errors.As(err, new(*plan.StaysError)) {
		return fmt.Errorf("%d of %s done, cannot remove the rest: %w", done, countChanges(of),
			err)
	}

	return fmt.Errorf("stopped after %d of %s: %w", done, countChanges(of), err)
}

func countChanges(n int) string {
	if n == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", n)
}

// ApplyStarted, ApplyProgress and ApplyEnded are told while a plan is carried out. ApplyEnded is told
// once, also after an error.
type (
	ApplyStarted  struct{ Plan *Plan }
	ApplyProgress struct{ plan.Event }
	ApplyEnded    struct {
		Plan *Plan
		Done int // changes carried out
		Err  error
	}
)

func (ApplyStarted) event()  {}
func (ApplyProgress) event() {}
func (ApplyEnded) event()    {}
