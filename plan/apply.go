package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Gate is a condition that must hold before anything of its stage, or of a later
// one, is put in place. It is asked once, and only if there is such a change.
type Gate struct {
	Stage Stage
	Name  string // "mail.nomeazienda.it answers at 10.10.10.10:25"
	Check func(context.Context) error
}

// GateError says that a gate did not open, so that what stands behind it was left.
type GateError struct {
	Gate string
	Err  error
}

func (e GateError) Error() string { return fmt.Sprintf("gate %q is closed: %v", e.Gate, e.Err) }
func (e GateError) Unwrap() error { return e.Err }

// Event tells of progress while a plan is carried out.
type Event struct {
	Phase  Phase
	Change Change // for Started, Done, Failed
	Gate   string // for GateOpen, GateShut
	Err    error  // for Failed, GateShut
	N, Of  int    // the change's place among those that write, from 1
}

// Phase is what an Event tells.
type Phase int

const (
	Started Phase = iota
	Done
	Failed
	GateOpen
	GateShut
)

// Options say how a plan is carried out.
type Options struct {
	Gates    []Gate
	Adopt    bool        // consent to take over what others put in place
	Progress func(Event) // may be nil; not called concurrently
}

// Apply carries out a plan that Make just made from the same parties and ledger.
//
// Before a batch is written, the ledger says so on disk (pending); afterwards it
// says what was seen in place. So a process that dies anywhere in between leaves nothing
// that the next plan can't tell for its own. Apply stops at the first error, keeps what
// succeeded, and running it again on a new plan goes on from there. Where nothing
// differs, nothing is written, not even the ledger.
//
// Errors: ErrConsent before anything is written when the plan adopts and Options does not
// allow it; a PartyError when a party could not be read; a GateError; a wrapped
// ErrStale; whatever the driver or the store met.
func Apply(ctx context.Context, p *Plan, parties []Party, ledger *Ledger, store Store, o Options) error {
	if len(p.Failed) > 0 {
		return p.Failed[0]
	}
	if n := len(p.Takeovers()); n > 0 && !o.Adopt {
		return fmt.Errorf("%w: %d of the changes", ErrConsent, n)
	}

	a := applier{
		ledger:  ledger,
		store:   store,
		options: o,
		of:      p.Writes(),
		drivers: map[Target]Driver{},
	}

	for _, party := range parties {
		a.drivers[party.Target] = party.Driver
	}

	if err := a.updateLedger(p); err != nil {
		return err
	}

	for _, batch := range a.batches(p.Changes) {
		if err := a.pass(ctx, batch[0]); err != nil {
			return err
		}
		if err := a.batch(ctx, batch); err != nil {
			return err
		}
	}

	switch len(a.stays) {
	case 0:
		return nil
	case 1:
		return a.stays[0]
	}

	return a.stays
}

type applier struct {
	ledger  *Ledger
	store   Store
	options Options
	drivers map[Target]Driver
	n, of   int
	open    int // gates passed so far, by index
	stays   joinedErrors
}

func (a *applier) tell(e Event) {
	if a.options.Progress != nil {
		a.options.Progress(e)
	}
}

func (a *applier) save() error {
	if err := a.store.Save(a.ledger); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// updateLedger takes up what is right already and forgets what is gone.
func (a *applier) updateLedger(p *Plan) error {
	released := 0
	for _, c := range p.Changes {
		if c.Action == Manual && c.Release {
			a.ledger.Drop(c.Key)
			released++
		}
	}

	if len(p.keep)+len(p.forget)+released == 0 {
		return nil
	}

	for _, e := range p.keep {
		a.ledger.Put(e)
	}

	for _, k := range p.forget {
		a.ledger.Drop(k)
	}

	return a.save()
}

// batches cuts the ordered changes into runs that one driver carries out at once. A
// run ends where the party or the direction changes and where a gate stands.
func (a *applier) batches(changes []Change) (out [][]Change) {
	for _, c := range changes {
		if !c.Writes() {
			continue
		}

		if n := len(out); n > 0 {
			last := out[n-1][len(out[n-1])-1]
			if last.Target == c.Target && last.Release == c.Release &&
				a.gatesUpTo(last) == a.gatesUpTo(c) {
				out[n-1] = append(out[n-1], c)
				continue
			}
		}

		out = append(out, []Change{c})
	}

	return out
}

// gatesUpTo returns how many gates must be open for c. Taking away needs none.
func (a *applier) gatesUpTo(c Change) (n int) {
	if c.Release {
		return 0
	}

	for _, g := range a.options.Gates {
		if g.Stage <= c.Stage {
			n++
		}
	}

	return n
}

// pass asks the gates before c that were not asked yet.
func (a *applier) pass(ctx context.Context, c Change) error {
	for need := a.gatesUpTo(c); a.open < need; a.open++ {
		g := a.options.Gates[a.open]
		if err := g.Check(ctx); err != nil {
			a.tell(Event{Phase: GateShut, Gate: g.Name, Err: err})
			return GateError{g.Name, err}
		}
		a.tell(Event{Phase: GateOpen, Gate: g.Name})
	}

	return nil
}

// batch writes one batch between two savings of the ledger. The second one is done
// whatever happened, so that what succeeded is known.
func (a *applier) batch(ctx context.Context, batch []Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}

	driver := a.drivers[batch[0].Target]
	if driver == nil {
		return fmt.Errorf("%s: %s is in the plan, but the config has no such party",
			batch[0].Target, batch[0].Key)
	}

	for _, c := range batch {
		a.pending(c, driver)
	}

	if err := a.save(); err != nil {
		return err
	}

	first := a.n
	stopped := false
	var stays []error

	for i, c := range batch {
		a.tell(Event{
			Phase:  Started,
			Change: c,
			N:      first + i + 1,
			Of:     a.of,
		})
	}

	err := driver.Apply(ctx, batch, func(c Change, err error) {
		a.n++
		if err != nil {
			if left := new(StaysError); errors.As(err, &left) {
				stays = append(stays, fmt.Errorf("%s: %w", c.Key.Name, left))
			} else {
				stopped = true
			}

			a.tell(Event{
				Phase:  Failed,
				Change: c,
				Err:    err,
				N:      a.n,
				Of:     a.of,
			})

			return
		}

		a.done(c)
		a.tell(Event{
			Phase:  Done,
			Change: c,
			N:      a.n,
			Of:     a.of,
		})
	})

	if len(stays) > 0 && !stopped && a.n-first == len(batch) {
		a.stays = append(a.stays, stays...)
		err = nil
	}

	if saved := a.save(); err == nil {
		err = saved
	}

	if err != nil {
		return fmt.Errorf("%s: %w", batch[0].Target, err)
	}
	if a.n-first != len(batch) {
		return fmt.Errorf("%s: the driver reported %d of %d changes", batch[0].Target,
			a.n-first, len(batch))
	}

	return nil
}

// pending writes into the ledger that a change is about to be carried out.
func (a *applier) pending(c Change, driver Driver) {
	if c.Passing {
		return
	}

	e, known := a.ledger.Get(c.Key)
	if c.Release && !known {
		return
	}

	if e.Pending != nil && EqualLines(c.Before, e.Pending) {
		e.Text = e.Pending // an earlier write that died before it was accounted for
	}

	if c.Adopt && e.Text == nil {
		e.Prior = c.Before
	}

	e.Removing = c.Action == Delete
	if p, ok := driver.(Preparer); ok && c.Action != Delete {
		if g := p.Prepare(c); g != nil {
			e.Grant = g
		}
	}

	if !c.Release {
		e.Key = c.Key
		e.Target = c.Target
		e.Stage = c.Stage
		e.Pending = c.After

		for _, line := range c.Base { // until the write is seen, either may be what is there
			if !slices.Contains(e.Base, line) {
				e.Base = append(slices.Clip(e.Base), line)
			}
		}
	}

	a.ledger.Put(e)
}

func (a *applier) done(c Change) {
	if c.Passing {
		return
	}

	if c.Release {
		a.ledger.Drop(c.Key)
		return
	}

	e, _ := a.ledger.Get(c.Key)
	e.Text = c.After
	e.Pending = nil
	e.Base = c.Base
	e.Grant = c.Grant
	e.Removing = false
	a.ledger.Put(e)
}
