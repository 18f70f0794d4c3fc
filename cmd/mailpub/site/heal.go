package site

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/plan"
)

// Forwards returns the wanted forwards that a name or a port means: smtp, tcp/25, tcp6/25. With the
// name of one, its pinhole is meant too where the ledger has it. The error is that of a router that
// does not answer, or of a name that means none.
func (s *Site) Forwards(name string) (list []plan.Item, err error) {
	if s.router.err != nil {
		return nil, s.router.err
	}

	keys := map[plan.Key]bool{}
	for _, f := range s.spec.Forwards {
		_, ours := s.ledger.Get(f.Pinhole())
		keys[f.Key()] = name == f.Name || name == f.Key().Name
		keys[f.Pinhole()] = name == f.Name && ours || name == f.Pinhole().Name
	}

	for _, it := range s.spec.ForwardItems() {
		if keys[it.Key] {
			list = append(list, it)
		}
	}

	if len(list) == 0 {
		return nil, fmt.Errorf("%q is not a forward of the config, want a name such as smtp or a port such as tcp/25", name)
	}

	return list, nil
}

// Heal deletes forwards that the router lists but does not serve, and makes them anew, one by one.
// The ledger keeps each new grant; a process that dies in between leaves a forward that the next
// plan finds missing. It tells of each (ForwardRecreated).
func (s *Site) Heal(ctx context.Context, forwards []plan.Item) error {
	if s.lock == nil {
		return ErrReadOnly
	}
	if s.router.err != nil {
		return s.router.err
	}

	for _, it := range forwards {
		if err := s.recreate(ctx, it); err != nil {
			return err
		}
		s.options.tell(ForwardRecreated{it.Key})
	}

	return nil
}

func (s *Site) recreate(ctx context.Context, it plan.Item) error {
	grant, err := s.router.Recreate(ctx, it)
	e, known := s.ledger.Get(it.Key)
	if !known {
		return err
	}

	e.Grant = &grant
	if err != nil { // where it was deleted, the old grant does not hold any more
		e.Grant = nil
	}

	s.ledger.Put(e)
	if saved := s.lock.Save(s.ledger); saved != nil {
		return errors.Join(err, fmt.Errorf("ledger: %w", saved))
	}

	return err
}

// ForwardRecreated is told of each forward that Heal made anew.
type ForwardRecreated struct{ Key plan.Key }

func (ForwardRecreated) event() {}
