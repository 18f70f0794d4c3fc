package site

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
)

// ErrNotAsFound means that a site could not be adopted, as its plan has something to write.
var ErrNotAsFound = errors.New("the ledger was not changed: the plan is not empty")

// Adopt takes what is there into the ledger, where the plan has nothing to write but forwards that
// the router can't list (Plan.Unlisted). The router has to confirm these. Whether they were there
// before is not known, so they count as if they had been: a removal leaves them, and they end with
// their leases.
func (s *Site) Adopt(ctx context.Context, p *Plan) error {
	if s.lock == nil {
		return ErrReadOnly
	}

	unlisted := p.Unlisted()
	if p.Writes() > len(unlisted) {
		return ErrNotAsFound
	}

	err := s.Apply(ctx, p, false)
	if kept := s.markPrior(unlisted); kept > 0 {
		if saved := s.lock.Save(s.ledger); saved != nil {
			err = errors.Join(err, fmt.Errorf("ledger: %w", saved))
		}
	}

	if len(unlisted) > 0 && (errors.Is(err, nat.ErrRefused) ||
		errors.Is(err, nat.ErrConflict)) {
		return fmt.Errorf("%w; the router does not confirm it: check its target in the router's web interface, and remove it there, or remove it from router.forwards", err)
	}

	return err
}

// markPrior marks what the ledger has of some changes as if it had been there before mailpub.
func (s *Site) markPrior(list []plan.Change) (kept int) {
	for _, c := range list {
		if e, ok := s.ledger.Get(c.Key); ok && e.Text != nil && e.Prior == nil {
			e.Prior = e.Text
			s.ledger.Put(e)
			kept++
		}
	}

	return kept
}
