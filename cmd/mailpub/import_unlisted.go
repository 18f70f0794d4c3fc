package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// unlisted are the forwards that a plan would make on a router that can't say whether it has them.
func unlisted(w *world, p *plan.Plan) (list []plan.Change) {
	for _, c := range p.Changes {
		if c.Action == plan.Create && c.Key.Kind == forward.Kind && w.router != nil && !w.router.Lists(c.Key) {
			list = append(list, c)
		}
	}
	return list
}

// names are those of changes, in a list.
func names(list []plan.Change) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Key.Name)
	}
	return strings.Join(all, ", ")
}

// tellUnlisted says what could not be seen of the router, and what to do.
func (a *app) tellUnlisted(w *world, list []plan.Change) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(a.err, "\n%s\n", a.look.wrap(fmt.Sprintf("Not seen: %s. The router speaks %s, which can't list what it forwards, so that these are "+
		"in the config because the server listens there, or because you named them. "+
		"mailpub%s apply, or import --adopt, asks the router for each: one that leads to this machine already it confirms, "+
		"and makes it a lease, one that is not there it makes, and one that leads to another machine it refuses. "+
		"What somebody entered in the router's own pages is looked up there; where that is to stay: router.protocol: manual.",
		names(list), w.router.Protocol(), a.configFlag()), 0))
}

// haveConfirmed has the router confirm forwards that it can't list, and takes everything else into the
// ledger. Whether they were there before nobody can tell, so they count as if they had been:
// destroy leaves them, and they end with their leases.
func (a *app) haveConfirmed(ctx context.Context, w *world, p *plan.Plan, f plan.Lock, list []plan.Change) error {
	err := a.carryOut(ctx, w, p, f, consent{yes: true})
	kept := 0
	for _, c := range list {
		if e, ok := w.ledger.Get(c.Key); ok && e.Text != nil && e.Prior == nil {
			e.Prior = e.Text
			w.ledger.Put(e)
			kept++
		}
	}
	if kept > 0 {
		if saved := f.Save(w.ledger); saved != nil {
			err = errors.Join(err, fmt.Errorf("ledger: %w", saved))
		}
	}
	switch {
	case err == nil:
		fmt.Fprintf(a.err, "The router confirmed %s. mailpub destroy leaves that; it ends with its lease.\n", names(list))
	case errors.Is(err, nat.ErrRefused), errors.Is(err, nat.ErrConflict):
		err = fmt.Errorf("%w; the router does not confirm it, so it is by hand: see in the router's own pages where it leads, and take it away there, or take it out of router.forwards", err)
	}
	return err
}
