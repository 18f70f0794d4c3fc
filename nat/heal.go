package nat

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// Recreate mends a forward that the router lists and that is dead all the same, which happens
// when the router's packet filter was loaded again behind the back of its UPnP service: it
// is taken away, put there anew and read back. Whether it is dead is the caller's to know,
// by a connection from outside.
//
// Only what is mailpub's own and leads where it should is touched: it bears the site's mark,
// or was granted to it.
// The new grant is for the ledger. Once begun it is seen through, as in Apply; where the
// forward could not be put back the error says that it is gone, and apply puts it there.
func (r *Router) Recreate(ctx context.Context, wanted plan.Item) (plan.Grant, error) {
	k := wanted.Key
	p, err := forward.ParsePort(k)
	if err != nil {
		return plan.Grant{}, err
	}

	fail := func(err error) (plan.Grant, error) {
		return plan.Grant{}, fmt.Errorf("%s: %s: %w", r.deviceFor(p), k.Name, err)
	}

	m, err := r.lookupPort(ctx, p)
	if err != nil {
		return fail(err)
	}
	if m == nil {
		return fail(errors.New("it is not in the router: apply puts it there"))
	}
	if !plan.EqualLines(m.Lines(), wanted.Lines) {
		return fail(fmt.Errorf("%w: its target is %s, not %q: apply corrects it", ErrConflict,
			m.To, wanted.Lines))
	}

	known, granted := r.known(k)
	if !r.isOurs(*m) && !granted {
		return fail(fmt.Errorf("%w: its target is %s, and mailpub did not create it",
			ErrConflict, m.To))
	}

	lease := m.Grant.Lifetime // what is left, where the whole is not known
	if granted && lease > 0 && known.Lifetime > lease {
		lease = known.Lifetime
	}

	if err := ctx.Err(); err != nil {
		return fail(err)
	}

	ctx = context.WithoutCancel(ctx)
	if err := r.removeAndCheck(ctx, r.deviceFor(p), p, m.To); err != nil {
		return fail(err)
	}

	made, err := r.writeMapping(ctx, change{
		Change: plan.Change{
			Key:    k,
			Action: plan.Create,
			Lease:  lease,
		},
		port: p,
		to:   m.To,
	})

	if err != nil {
		return fail(fmt.Errorf("it was removed, and cannot be restored: %w", err))
	}

	r.log.Info("forward healed", "key", k.Name, "to", m.To)
	return *made, nil
}
