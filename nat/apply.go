package nat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// change is a plan.Change with its text taken apart.
type change struct {
	plan.Change
	port   forward.Port
	to     forward.Target   // of all but a removal
	before *forward.Mapping // what the router has; nil: nothing, or that is not known
	untold bool             // it is not known
}

// parse takes a batch apart, once.
func parse(batch []plan.Change) ([]change, error) {
	all := make([]change, len(batch))
	for i, c := range batch {
		all[i].Change = c
		var err error
		if c.Action == plan.Delete {
			all[i].port, err = forward.ParsePort(c.Key)
		} else {
			all[i].port, all[i].to, err = forward.Parse(c.Key, c.After)
		}

		if err != nil {
			return all[i : i+1], err
		}
	}

	return all, nil
}

// Apply implements plan.Driver. No router knows batches: the changes are made one by
// one, and the first failure ends it, but for a removal that the router refuses (a
// *plan.StaysError). When ctx is done, the change under way is seen
// through, within the time-outs of its requests, so that its outcome is known. A
// failed change leaves no stray mapping behind; where that can't be made sure, the
// error says so.
func (r *Router) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	changes, err := parse(batch)
	if err == nil {
		changes, err = r.stale(ctx, changes)
	}

	if err != nil {
		done(changes[0].Change, err)
		return err
	}

	var stays error
	for _, c := range changes {
		err := ctx.Err()
		if err == nil {
			c.Grant, err = r.change(context.WithoutCancel(ctx), c)
		}

		if err != nil {
			err = fmt.Errorf("%s: %s: %w", r.deviceFor(c.port), c.Key.Name, err)
			r.log.Warn("forward failed", "key", c.Key.Name, "action", c.Action, "error", err)
			done(c.Change, err)
			if c.Action == plan.Delete && errors.As(err, new(*plan.StaysError)) {
				stays = errors.Join(stays, err)
				continue
			}

			return err
		}

		r.log.Info("forward", "key", c.Key.Name, "action", c.Action, "to", c.After)
		done(c.Change, nil)
	}

	return stays
}

// stale fills in what the router has. With an error it returns the first change whose Before
// is something else.
func (r *Router) stale(ctx context.Context, batch []change) ([]change, error) {
	if len(batch) == 0 {
		return nil, nil
	}

	ports := make([]forward.Port, len(batch))
	for i, c := range batch {
		ports[i] = c.port
	}

	found, err := r.lookUpPorts(ctx, ports)
	if err != nil {
		return batch[:1], err
	}

	is := map[forward.Port]forward.Mapping{}
	for _, m := range found {
		is[m.Port] = m
	}

	for i, c := range batch {
		var lines []string
		if m, there := is[c.port]; there {
			if m.Unread != nil && m.Again == "" {
				return batch[i:], fmt.Errorf("%s: %s can't be read: %w", r.deviceFor(c.port),
					c.Key.Name, m.Unread)
			}

			batch[i].untold = m.Unread != nil
			if m.Unread == nil {
				lines = m.Lines()
				batch[i].before = &m
			}
		}

		if !plan.EqualLines(lines, c.Before) {
			return batch[i:], fmt.Errorf("%s: %s: %w: is %q, was %q", r.deviceFor(c.port),
				c.Key.Name, plan.ErrStale, lines, c.Before)
		}
	}

	return batch, nil
}

// change carries out one change and returns what was granted.
func (r *Router) change(ctx context.Context, c change) (*plan.Grant, error) {
	if r.isFormer(c.port) {
		return r.replaceFormer(ctx, c)
	}

	if c.Action == plan.Delete {
		if c.before == nil {
			return nil, nil
		}
		return nil, r.removeAndCheck(ctx, r.deviceFor(c.port), c.port, c.before.To)
	}

	return r.writeMapping(ctx, c)
}

// writeMapping makes or renews a mapping.
func (r *Router) writeMapping(ctx context.Context, c change) (*plan.Grant, error) {
	d := r.deviceFor(c.port)
	err := d.Add(ctx, c.port, c.to, c.Lease)
	if err != nil {
		if other, e := r.fallBack(ctx, c, err); other != nil {
			d, err = other, e
		}
	}

	if c.Action == plan.Update && c.before != nil && mayReplace(c, err) {
		// The text was compared and the change agreed to, so what is in the way may
		// go; routers do not overwrite the mapping of another host, and some renew none.
		err = r.replace(ctx, c, c.before.To)
	}

	m, err := r.readBack(ctx, c, err)
	if err != nil {
		return nil, err
	}

	if r.didNotExtend(c, m) {
		if err := r.replace(ctx, c, c.to); err != nil {
			return nil, fmt.Errorf("the router does not extend its lease, and %w", err)
		}
		if m, err = r.readBack(ctx, c, nil); err != nil {
			return nil, err
		}
	}

	g := m.Grant
	if u, ok := d.(*upnp); ok {
		g = u.grantOf(*m)
	}

	return &g, nil
}

// mayReplace reports whether what is there may be taken away to make a change that failed.
func mayReplace(c change, err error) bool {
	if errors.Is(err, ErrConflict) {
		return true
	}
	var no *refusal
	return c.Renew && errors.As(err, &no) && mayConcernLease(no.code)
}

// didNotExtend reports whether a renewal left the lease as it was: less than half of it is
// left, and not more than before.
func (r *Router) didNotExtend(c change, m *forward.Mapping) bool {
	if !c.Renew || c.before == nil || c.Lease <= 0 || m.Grant.Lifetime <= 0 {
		return false
	}
	if u, ok := r.deviceFor(c.port).(*upnp); !ok || u.disproved[c.port] {
		return false
	}
	return m.Grant.Lifetime < c.Lease/2 && m.Grant.Lifetime <= c.before.Grant.Lifetime+slack
}

// replace takes away what is there and puts ours there, or puts theirs back.
func (r *Router) replace(ctx context.Context, c change, was forward.Target) error {
	d := r.deviceFor(c.port)
	if err := r.removeAndCheck(ctx, d, c.port, was); err != nil {
		return err
	}

	err := d.Add(ctx, c.port, c.to, c.Lease)
	if err != nil && !errors.Is(err, errNoAnswer) {
		if back := d.Add(ctx, c.port, was, c.Lease); back != nil {
			return fmt.Errorf("%w; and the mapping to %s that was there cannot be restored: %w",
				err, was, back)
		}
	}

	return err
}

// readBack reads a mapping, whatever the router said about it: err is its answer. Where the
// router said yes, or nothing, it is read again for a while: some show a mapping later.
func (r *Router) readBack(ctx context.Context, c change, err error) (*forward.Mapping, error) {
	var m *forward.Mapping
	var unread error
	good := func() bool { return unread == nil && m != nil && m.To == c.to }
	r.pollUntil(c.port, err, func() bool {
		m, unread = r.lookupPort(ctx, c.port)
		return good() || unread != nil && isRefusalToList(unread)
	})

	switch {
	case unread != nil && err == nil && isRefusalToList(unread):
		r.log.Warn("forward cannot be read back here", "key", c.Key.Name, "error", unread)
		return &forward.Mapping{
			Port: c.port,
			To:   c.to,
			Grant: plan.Grant{
				Lifetime: c.Lease,
				At:       r.now(),
				State:    r.deviceFor(c.port).Protocol(),
			},
		}, nil
	case unread != nil && err == nil:
		return nil, fmt.Errorf("accepted, but it can't be read back: %w", unread)
	case unread != nil:
		return nil, fmt.Errorf("%w; whether it is mapped is not known: %w", err, unread)
	case good() && (err == nil || errors.Is(err, errNoAnswer)):
		return m, nil
	}

	accepted := err == nil
	if m == nil && accepted {
		if m, err := r.withoutLease(ctx, c); m != nil {
			return m, err
		}
		err = errors.New("the router says that it mapped the port, but it did not")
	} else if err == nil {
		err = fmt.Errorf("the router reports success, but the port is forwarded to %s", m.To)
	}

	// There was nothing, and the router says that it mapped what it was asked for: so what is there
	// now is ours, whatever it is called.
	fresh := len(c.Before) == 0
	if m != nil && fresh && (accepted && !c.untold || r.isOurs(*m) || m.To.Host == c.to.Host) {
		if e := r.removeAndCheck(ctx, r.deviceFor(c.port), c.port, m.To); e != nil {
			return nil, fmt.Errorf("%w; and the mapping to %s could not be taken back: %w",
				err, m.To, e)
		}
	}

	return nil, err
}

// withoutLease asks a router once more that said yes to a lease and mapped nothing. nil: it
// maps nothing all the same.
func (r *Router) withoutLease(ctx context.Context, c change) (*forward.Mapping, error) {
	u, ok := r.deviceFor(c.port).(*upnp)
	if !ok || u.leases[c.port] == 0 {
		return nil, nil
	}
	if err := u.addOnce(ctx, c.port, c.to, 0); err != nil {
		return nil, nil
	}

	m, err := r.lookupPort(ctx, c.port)
	if err != nil || m == nil || m.To != c.to {
		return nil, nil
	}

	return m, nil
}

// pollUntil looks again and again until what is looked for is there, for the time that a router
// may take to show what it did. After a refusal, and where the router can't tell, once is enough.
func (r *Router) pollUntil(p forward.Port, answer error, there func() bool) {
	patience := r.options.Timeout
	if errors.Is(answer, errTooSlow) {
		patience *= writePatience
	}

	end := time.Now().Add(patience)
	_, lists := r.deviceFor(p).(*upnp)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		refused := answer != nil && !errors.Is(answer, errNoAnswer)
		left := time.Until(end)
		if there() || refused || !lists || left <= 0 {
			return
		}
		time.Sleep(min(pause, left))
	}
}

// removeAndCheck takes a mapping away and makes sure that it is gone.
func (r *Router) removeAndCheck(ctx context.Context, d device, p forward.Port, was forward.Target) error {
	err := d.Remove(ctx, p, was)
	var m *forward.Mapping
	var unread error
	r.pollUntil(p, err, func() bool {
		m, unread = readBackPort(ctx, d, p)
		return unread == nil && m == nil
	})

	switch {
	case unread != nil && err == nil:
		return fmt.Errorf("accepted, but it can't be read back: %w", unread)
	case unread != nil:
		return fmt.Errorf("%w; whether it is gone is not known: %w", err, unread)
	case m == nil:
		return nil
	case err == nil:
		err = fmt.Errorf("the router says that it removed the mapping to %s, but it did not",
			m.To)
	}

	stays := &plan.StaysError{Err: err}
	if at := r.leaseEnd(*m); !at.IsZero() {
		stays.Left = max(at.Sub(r.now()), time.Second)
	}

	return stays
}
