package nat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// Router is the plan.Driver of a router's forwards. Open makes it. It is not safe for
// concurrent use.
type Router struct {
	device device
	holes  device  // for pinholes
	former *former // nil where the device made all that the ledger has
	auto   bool    // the protocol was not named by the config
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

// Read implements plan.Driver. Each port costs a request; a router is asked for its whole
// list only where it has no answer to that, as a list crashes some.
func (r *Router) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	found, err := r.lookUp(ctx, keys)
	if err != nil {
		return nil, err
	}
	items := make([]plan.Item, len(found))
	for i, m := range found {
		items[i] = r.item(m)
	}
	return items, nil
}

// item is a mapping as the plan has it.
func (r *Router) item(m forward.Mapping) plan.Item {
	it := plan.Item{Key: m.Key(), Again: m.Again, Unverified: m.Unverified}
	switch {
	case m.Unread != nil && m.Again == "":
		it.Unreadable = m.Unread.Error()
		return it
	case m.Unread != nil:
		return it
	}
	it.Lines = m.Lines()
	it.Marked = r.marked(m)
	it.Expires, it.Lifetime = r.lease(m)
	return it
}

// marked reports whether a mapping bears this site's mark.
func (r *Router) marked(m forward.Mapping) bool {
	return m.Description == r.mark || strings.HasPrefix(m.Description, r.mark+" ")
}

// lapse returns when a mapping lapses; zero when it does not, or that is not known.
func (r *Router) lapse(m forward.Mapping) time.Time {
	at, _ := r.lease(m)
	return at
}

// lease is lapse with the length of the whole lease, where that is another than was granted.
func (r *Router) lease(m forward.Mapping) (lapse time.Time, whole time.Duration) {
	if u, ok := r.of(m.Port).(*upnp); ok {
		return u.lapse(m)
	}
	if m.Grant.Lifetime == 0 {
		return time.Time{}, 0
	}
	return m.Grant.Expires(), 0
}

// lookUp reads the ports of keys, each by the device that made it.
func (r *Router) lookUp(ctx context.Context, keys []plan.Key) ([]forward.Mapping, error) {
	ports := make([]forward.Port, len(keys))
	for i, k := range keys {
		var err error
		if ports[i], err = forward.ParsePort(k); err != nil {
			return nil, err
		}
	}
	return r.lookUpPorts(ctx, ports)
}

func (r *Router) lookUpPorts(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	var own, pinholes, former []forward.Port
	for _, p := range ports {
		switch {
		case p.Pinhole():
			pinholes = append(pinholes, p)
		case r.isFormer(p):
			former = append(former, p)
		default:
			own = append(own, p)
		}
	}
	var found []forward.Mapping
	if len(own) > 0 {
		got, err := r.device.Read(ctx, own)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.device, err)
		}
		found = append(found, got...)
	}
	if len(former) > 0 {
		found = append(found, r.readFormer(ctx, former)...)
	}
	if len(pinholes) > 0 {
		got, err := r.holes.Read(ctx, pinholes)
		if err != nil { // no reason to know nothing of the forwards
			got = nil
			for _, p := range pinholes {
				got = append(got, forward.Mapping{Port: p, Unread: fmt.Errorf("%s: %w", r.holes, err)})
			}
		}
		found = append(found, got...)
	}
	return found, ctx.Err()
}

// of returns the device that a port is asked of.
func (r *Router) of(p forward.Port) device {
	if p.Pinhole() {
		return r.holes
	}
	return r.device
}

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

// Prepare implements plan.Preparer, for protocols whose mappings can't be found again.
func (r *Router) Prepare(c plan.Change) *plan.Grant {
	p, err := forward.ParsePort(c.Key)
	if err != nil || r.isFormer(p) {
		return nil
	}
	if d, ok := r.of(p).(plan.Preparer); ok {
		return d.Prepare(c)
	}
	return nil
}

// StandsStill reports whether a router that can't list what it maps tells an epoch that does
// not move, so that nobody would notice its restart.
func (r *Router) StandsStill(k plan.Key) bool {
	p, err := forward.ParsePort(k)
	if err != nil {
		return false
	}
	d, ok := r.of(p).(interface{ standsStill() bool })
	return ok && d.standsStill()
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
			err = fmt.Errorf("%s: %s: %w", r.of(c.port), c.Key.Name, err)
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
				return batch[i:], fmt.Errorf("%s: %s can't be read: %w", r.of(c.port), c.Key.Name, m.Unread)
			}
			batch[i].untold = m.Unread != nil
			if m.Unread == nil {
				lines = m.Lines()
				batch[i].before = &m
			}
		}
		if !plan.EqualLines(lines, c.Before) {
			return batch[i:], fmt.Errorf("%s: %s: %w: is %q, was %q", r.of(c.port), c.Key.Name, plan.ErrStale, lines, c.Before)
		}
	}
	return batch, nil
}

// change carries out one change and returns what was granted.
func (r *Router) change(ctx context.Context, c change) (*plan.Grant, error) {
	if r.isFormer(c.port) {
		return r.changeOver(ctx, c)
	}
	if c.Action == plan.Delete {
		if c.before == nil {
			return nil, nil
		}
		return nil, r.removeAndCheck(ctx, r.of(c.port), c.port, c.before.To)
	}
	return r.put(ctx, c)
}

// put makes or renews a mapping.
func (r *Router) put(ctx context.Context, c change) (*plan.Grant, error) {
	d := r.of(c.port)
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
	return c.Renew && errors.As(err, &no) && mayMeanLease(no.code)
}

// didNotExtend reports whether a renewal left the lease as it was: less than half of it is
// left, and not more than before.
func (r *Router) didNotExtend(c change, m *forward.Mapping) bool {
	if !c.Renew || c.before == nil || c.Lease <= 0 || m.Grant.Lifetime <= 0 {
		return false
	}
	if u, ok := r.of(c.port).(*upnp); !ok || u.disproved[c.port] {
		return false
	}
	return m.Grant.Lifetime < c.Lease/2 && m.Grant.Lifetime <= c.before.Grant.Lifetime+slack
}

// replace takes away what is there and puts ours there, or puts theirs back.
func (r *Router) replace(ctx context.Context, c change, was forward.Target) error {
	d := r.of(c.port)
	if err := r.removeAndCheck(ctx, d, c.port, was); err != nil {
		return err
	}
	err := d.Add(ctx, c.port, c.to, c.Lease)
	if err != nil && !errors.Is(err, errNoAnswer) {
		if back := d.Add(ctx, c.port, was, c.Lease); back != nil {
			return fmt.Errorf("%w; and the mapping to %s that was there could not be put back: %w", err, was, back)
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
	r.until(c.port, err, func() bool {
		m, unread = r.look(ctx, c.port)
		return good() || unread != nil && tellsNot(unread)
	})
	switch {
	case unread != nil && err == nil && tellsNot(unread):
		r.log.Warn("forward cannot be read back here", "key", c.Key.Name, "error", unread)
		return &forward.Mapping{Port: c.port, To: c.to, Grant: plan.Grant{Lifetime: c.Lease, At: r.now(), State: r.of(c.port).Protocol()}}, nil
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
		err = fmt.Errorf("the router says that it mapped the port, but it leads to %s", m.To)
	}
	// There was nothing, and the router says that it mapped what it was asked for: so what is there
	// now is ours, whatever it is called.
	fresh := len(c.Before) == 0
	if m != nil && fresh && (accepted && !c.untold || r.marked(*m) || m.To.Host == c.to.Host) {
		if e := r.removeAndCheck(ctx, r.of(c.port), c.port, m.To); e != nil {
			return nil, fmt.Errorf("%w; and the mapping to %s could not be taken back: %w", err, m.To, e)
		}
	}
	return nil, err
}

// withoutLease asks a router once more that said yes to a lease and mapped nothing. nil: it
// maps nothing all the same.
func (r *Router) withoutLease(ctx context.Context, c change) (*forward.Mapping, error) {
	u, ok := r.of(c.port).(*upnp)
	if !ok || u.leases[c.port] == 0 {
		return nil, nil
	}
	if err := u.addOnce(ctx, c.port, c.to, 0); err != nil {
		return nil, nil
	}
	m, err := r.look(ctx, c.port)
	if err != nil || m == nil || m.To != c.to {
		return nil, nil
	}
	return m, nil
}

// until looks again and again until what is looked for is there, for the time that a router
// may take to show what it did. After a refusal, and where the router can't tell, once is enough.
func (r *Router) until(p forward.Port, answer error, there func() bool) {
	patience := r.options.Timeout
	if errors.Is(answer, errTooSlow) {
		patience *= writePatience
	}
	end := time.Now().Add(patience)
	_, lists := r.of(p).(*upnp)
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
	r.until(p, err, func() bool {
		m, unread = lookAt(ctx, d, p)
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
		err = fmt.Errorf("the router says that it removed the mapping to %s, but it did not", m.To)
	}
	stays := &plan.StaysError{Err: err}
	if at := r.lapse(*m); !at.IsZero() {
		stays.Left = max(at.Sub(r.now()), time.Second)
	}
	return stays
}

// look returns what the router has for one port; nil when nothing.
func (r *Router) look(ctx context.Context, p forward.Port) (*forward.Mapping, error) {
	return lookAt(ctx, r.of(p), p)
}

func lookAt(ctx context.Context, d device, p forward.Port) (*forward.Mapping, error) {
	found, err := d.Read(ctx, []forward.Port{p})
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
	if it.Lifetime > 0 {
		return it.Expires.Sub(r.now()), it.Lifetime, true
	}
	if !granted || g.Lifetime <= 0 || it.Expires.IsZero() {
		return 0, 0, false
	}
	return it.Expires.Sub(r.now()), g.Lifetime, true
}

// Lapsed returns when the lease of a forward ran out that was granted before; ok is false where
// none was, or it lasts.
func (r *Router) Lapsed(k plan.Key) (at time.Time, ok bool) {
	g, granted := r.known(k)
	if !granted || g.Lifetime <= 0 || !r.now().After(g.Expires()) {
		return time.Time{}, false
	}
	return g.Expires(), true
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
