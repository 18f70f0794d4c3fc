package nat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// Router is the plan.Driver of a router's forwards. Open makes it. It is not safe for
// concurrent use.
type Router struct {
	device device
	holes  device // for pinholes
	why    string
	mark   string
	known  func(plan.Key) (plan.Grant, bool)
	log    *slog.Logger
	now    func() time.Time

	options Options // of Open, with every default
}

// Protocol returns how the router is spoken to: "upnp", "pcp", "nat-pmp", "nftables" or "manual".
func (r *Router) Protocol() string { return r.device.Protocol() }

// Why says in one line why this router and this protocol, and why not the others.
func (r *Router) Why() string { return r.why }

// Device returns what the router calls itself and where it is.
func (r *Router) Device() string { return r.device.String() }

// Address returns the router's address on the LAN, which its announcements come from; not valid
// where it is not known, or the router announces nothing.
func (r *Router) Address() netip.Addr {
	switch d := r.device.(type) {
	case *upnp:
		return d.host()
	case *pmp:
		return d.gateway
	case *pcp:
		return d.gateway
	}
	return netip.Addr{}
}

// Lists reports whether the router can say what it maps of a key, whoever mapped it. NAT-PMP and
// PCP can't (RFC 6886 section 3.3 and RFC 6887 section 11 know requests alone), and UPnP lists
// no pinholes: there only what was granted to this account is known.
func (r *Router) Lists(k plan.Key) bool {
	p, err := forward.ParsePort(k)
	if err != nil {
		return false
	}
	switch r.of(p).Protocol() {
	case "pcp", "nat-pmp":
		return false
	case "upnp":
		return !p.Pinhole()
	}
	return true
}

// Kind implements plan.Driver.
func (r *Router) Kind() string { return forward.Kind }

// Read implements plan.Driver. Each port costs a request; a router is never asked for
// its whole list, which crashes some.
func (r *Router) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	found, err := r.lookUp(ctx, keys)
	if err != nil {
		return nil, err
	}
	items := make([]plan.Item, len(found))
	for i, m := range found {
		items[i].Key = m.Key()
		if m.Unread != nil {
			items[i].Unreadable = m.Unread.Error()
			continue
		}
		items[i].Lines = m.Lines()
		items[i].Marked = m.Description == r.mark
		if m.Grant.Lifetime > 0 {
			items[i].Expires = m.Grant.Expires()
		}
	}
	return items, nil
}

func (r *Router) lookUp(ctx context.Context, keys []plan.Key) ([]forward.Mapping, error) {
	ports := make([]forward.Port, len(keys))
	for i, k := range keys {
		var err error
		if ports[i], err = forward.ParsePort(k); err != nil {
			return nil, err
		}
	}
	var found []forward.Mapping
	for _, six := range []bool{false, true} {
		mine := slices.DeleteFunc(slices.Clone(ports), func(p forward.Port) bool { return p.Pinhole() != six })
		if len(mine) == 0 {
			continue
		}
		d := r.of(mine[0])
		got, err := d.Read(ctx, mine)
		if err != nil && !six {
			return nil, fmt.Errorf("%s: %w", d, err)
		}
		for _, p := range mine {
			if err != nil { // no reason to know nothing of the forwards
				got = append(got, forward.Mapping{Port: p, Unread: fmt.Errorf("%s: %w", d, err)})
			}
		}
		found = append(found, got...)
	}
	return found, nil
}

// of returns the device that a port is asked of.
func (r *Router) of(p forward.Port) device {
	if p.Pinhole() {
		return r.holes
	}
	return r.device
}

// Apply implements plan.Driver. No router knows batches: the changes are made one by
// one, and the first failure ends it. When ctx is done, the change under way is seen
// through, within the time-outs of its requests, so that its outcome is known. A
// failed change leaves no stray mapping behind; where that can't be made sure, the
// error says so.
func (r *Router) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	if c, err := r.stale(ctx, batch); err != nil {
		done(c, err)
		return err
	}
	for _, c := range batch {
		err := ctx.Err()
		if err == nil {
			c, err = r.change(context.WithoutCancel(ctx), c)
		}
		if err != nil {
			err = fmt.Errorf("%s: %s: %w", r.at(c.Key), c.Key.Name, err)
			r.log.Warn("forward failed", "key", c.Key.Name, "action", c.Action, "error", err)
			done(c, err)
			return err
		}
		r.log.Info("forward", "key", c.Key.Name, "action", c.Action, "to", c.After)
		done(c, nil)
	}
	return nil
}

// stale returns the first change whose Before is not what the router has.
func (r *Router) stale(ctx context.Context, batch []plan.Change) (plan.Change, error) {
	if len(batch) == 0 {
		return plan.Change{}, nil
	}
	keys := make([]plan.Key, len(batch))
	for i, c := range batch {
		keys[i] = c.Key
	}
	found, err := r.lookUp(ctx, keys)
	if err != nil {
		return batch[0], err
	}
	is := map[plan.Key]forward.Mapping{}
	for _, m := range found {
		is[m.Key()] = m
	}
	for _, c := range batch {
		var lines []string
		if m, there := is[c.Key]; there {
			if m.Unread != nil {
				return c, fmt.Errorf("%s: %s can't be read: %w", r.at(c.Key), c.Key.Name, m.Unread)
			}
			lines = m.Lines()
		}
		if !plan.EqualLines(lines, c.Before) {
			return c, fmt.Errorf("%s: %s: %w: is %q, was %q", r.at(c.Key), c.Key.Name, plan.ErrStale, lines, c.Before)
		}
	}
	return plan.Change{}, nil
}

// at names the device that a key is asked of.
func (r *Router) at(k plan.Key) string {
	p, err := forward.ParsePort(k)
	if err != nil {
		return r.device.String()
	}
	return r.of(p).String()
}

// change carries out one change and returns it with what was granted.
func (r *Router) change(ctx context.Context, c plan.Change) (plan.Change, error) {
	if c.Action == plan.Delete {
		p, err := forward.ParsePort(c.Key)
		if err != nil {
			return c, err
		}
		was, err := r.look(ctx, p)
		if err != nil || was == nil {
			return c, err
		}
		return c, r.removeAndCheck(ctx, p, was.To)
	}
	p, to, err := forward.Parse(c.Key, c.After)
	if err != nil {
		return c, err
	}
	err = r.of(p).Add(ctx, p, to, c.Lease)
	if errors.Is(err, ErrConflict) && c.Action == plan.Update {
		// The text was compared and the change agreed to, so what is in the way may
		// go; routers do not overwrite the mapping of another host.
		err = r.replace(ctx, p, c, to)
	}
	m, err := r.prove(ctx, p, to, err, len(c.Before) == 0)
	if err != nil {
		return c, err
	}
	c.Grant = &m.Grant
	return c, nil
}

// replace takes away another host's mapping and puts ours there, or puts theirs back.
func (r *Router) replace(ctx context.Context, p forward.Port, c plan.Change, to forward.Target) error {
	was, err := forward.ParseTarget(c.Before)
	if err != nil {
		return err
	}
	if err := r.removeAndCheck(ctx, p, was); err != nil {
		return err
	}
	err = r.of(p).Add(ctx, p, to, c.Lease)
	if err != nil && !errors.Is(err, errNoAnswer) {
		if back := r.of(p).Add(ctx, p, was, c.Lease); back != nil {
			return fmt.Errorf("%w; and the mapping to %s that was there could not be put back: %w", err, was, back)
		}
	}
	return err
}

// prove reads back a mapping, whatever the router said about it: err is its answer.
func (r *Router) prove(ctx context.Context, p forward.Port, to forward.Target, err error, fresh bool) (*forward.Mapping, error) {
	m, unread := r.look(ctx, p)
	switch {
	case unread != nil && err == nil:
		return nil, fmt.Errorf("accepted, but it can't be read back: %w", unread)
	case unread != nil:
		return nil, fmt.Errorf("%w; whether it is mapped is not known: %w", err, unread)
	case m != nil && m.To == to && (err == nil || errors.Is(err, errNoAnswer)):
		return m, nil
	}
	if m == nil && err == nil {
		err = errors.New("the router says that it mapped the port, but it did not")
	} else if err == nil {
		err = fmt.Errorf("the router says that it mapped the port, but it leads to %s", m.To)
	}
	if m != nil && fresh && m.Description == r.mark {
		if e := r.of(p).Remove(ctx, p, m.To); e != nil {
			return nil, fmt.Errorf("%w; and the mapping to %s could not be taken back: %w", err, m.To, e)
		}
	}
	return nil, err
}

// removeAndCheck takes a mapping away and makes sure that it is gone.
func (r *Router) removeAndCheck(ctx context.Context, p forward.Port, was forward.Target) error {
	err := r.of(p).Remove(ctx, p, was)
	m, unread := r.look(ctx, p)
	switch {
	case unread != nil && err == nil:
		return fmt.Errorf("accepted, but it can't be read back: %w", unread)
	case unread != nil:
		return fmt.Errorf("%w; whether it is gone is not known: %w", err, unread)
	case m == nil:
		return nil
	case err == nil:
		return fmt.Errorf("the router says that it removed the mapping to %s, but it did not", m.To)
	}
	return err
}

// look returns what the router has for one port; nil when nothing.
func (r *Router) look(ctx context.Context, p forward.Port) (*forward.Mapping, error) {
	found, err := r.of(p).Read(ctx, []forward.Port{p})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if found[0].Unread != nil {
		return nil, found[0].Unread
	}
	return &found[0], nil
}

// ProtocolOf returns the protocol that a key is asked in; see Protocol. Pinholes may have
// another one than forwards.
func (r *Router) ProtocolOf(k plan.Key) string {
	p, err := forward.ParsePort(k)
	if err != nil {
		return r.device.Protocol()
	}
	return r.of(p).Protocol()
}

// Lease returns what is left of the lease of an item that was read, and how long the whole
// one was when it was granted. ok is false where the item does not lapse or nothing is known
// of a grant.
func (r *Router) Lease(it plan.Item) (left, whole time.Duration, ok bool) {
	g, granted := r.known(it.Key)
	if !granted || g.Lifetime <= 0 || it.Expires.IsZero() {
		return 0, 0, false
	}
	return it.Expires.Sub(r.now()), g.Lifetime, true
}

// Obstacle says what keeps a forward from working although it is there, where the device
// can tell; its error, what may.
func (r *Router) Obstacle(ctx context.Context, k plan.Key, lines []string) (string, error) {
	p, to, err := forward.Parse(k, lines)
	if err != nil {
		return "", err
	}
	gate, ok := r.of(p).(interface {
		Obstacle(context.Context, forward.Port, forward.Target) (string, error)
	})
	if !ok {
		return "", nil
	}
	return gate.Obstacle(ctx, p, to)
}
