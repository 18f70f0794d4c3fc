package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/notify"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/ledger"
	"github.com/mailpub/mailpub/plan/mail"
)

// watched is one site of the daemon: what it looks at and repairs, wired to the rooms.
type watched struct {
	a      *app
	cfg    *config.Config
	router chan heard // where the router is, as the last look had it; the latest alone

	// What sends messages to people's mailboxes is done once a day, and until it passes.
	messages []plan.Check // what came of it
	sent     time.Time
}

// heard is whose announcements to listen to.
type heard struct {
	router, address netip.Addr
	none            bool // there is nobody to listen to
}

// site is the site as the daemon knows it.
func (a *app) watchSite(ctx context.Context, cfg *config.Config, digest string) (watch.Site, error) {
	s := &watched{a: a, cfg: cfg, router: make(chan heard, 1)}
	channels, err := channels(ctx, cfg)
	if err != nil {
		return watch.Site{}, err
	}
	dir := stateDir(cfg)
	home, err := filepath.Abs(dir)
	if err != nil {
		return watch.Site{}, err
	}
	site, w := cfg.PlanSite(), cfg.Watch
	return watch.Site{
		Name: cfg.Site, File: cfg.File, Home: filepath.Join(home, cfg.Site), Digest: digest,
		Host: strings.TrimSuffix(site.Host, "."), LAN: site.Address,
		Schedule: watch.Schedule{Every: w.Every, Jitter: w.Jitter, Cron: w.Times()},
		Policy:   watch.Policy{Repair: w.Repair, ChangesPerHour: w.AddressChanges, Confirm: w.AddressConfirm},
		Channels: channels,
		Look:     s.look, Repair: s.repair, Listen: s.listen,
		Lead: func(ctx context.Context, waiting func(string)) (func(), error) {
			return ledger.Lead(ctx, dir, cfg.Site, waiting)
		},
		Busy:   func() bool { return ledger.Files{Dir: dir, Site: cfg.Site}.Locked(context.Background()) },
		Memory: memory(filepath.Join(dir, cfg.Site+".watch.json")),
	}, nil
}

// channels are those who are told. Secrets are resolved here.
func channels(ctx context.Context, cfg *config.Config) (all []watch.Channel, err error) {
	for i, n := range cfg.Watch.Notify {
		secret, err := cfg.NotifySecret(ctx, i)
		if err != nil {
			return nil, err
		}
		switch {
		case n.Webhook != "":
			all = append(all, notify.Webhook(n.Webhook, secret))
		case n.URL != "":
			c, err := notify.Service(secret)
			if err != nil {
				at := fmt.Sprintf("watch.notify[%d].url", i)
				return nil, config.Errors{{File: cfg.File, Line: cfg.Lines.At(at), Field: at, Text: err.Error()}}
			}
			all = append(all, c)
		default:
			command := slices.Clone(n.Exec)
			if strings.ContainsRune(command[0], filepath.Separator) {
				if command[0], err = filepath.Abs(cfg.Path(command[0])); err != nil {
					return nil, err
				}
			}
			all = append(all, notify.Exec(filepath.Dir(cfg.File), command...))
		}
	}
	return all, nil
}

// memory is the file in which the daemon keeps what must outlast it.
type memory string

func (m memory) Load() ([]byte, error) {
	data, err := durable.Read(string(m))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (m memory) Save(data []byte) error { return durable.Replace(string(m), append(data, '\n')) }

// look plans and verifies, and goes as far as it can.
func (s *watched) look(ctx context.Context) (f watch.Found) {
	f.Report.Site = s.cfg.Site
	l, err := ledger.Files{Dir: stateDir(s.cfg), Site: s.cfg.Site}.Read(ctx)
	if err == nil {
		err = s.survey(ctx, l, &f)
	}
	f.Err = err
	if l != nil {
		f.Leases, f.Renew = leases(l)
	}
	return f
}

func (s *watched) survey(ctx context.Context, l *plan.Ledger, f *watch.Found) error {
	w, err := s.a.meet(ctx, s.cfg, l)
	if err != nil {
		return err
	}
	s.hear(w)
	f.Public = w.site.Public
	for _, p := range w.public {
		for _, seen := range p.seen {
			if seen.err == nil {
				f.Sightings = append(f.Sightings, watch.Sighting{Source: seen.source, Addr: seen.addr})
			}
		}
	}
	p, err := s.a.compare(ctx, w)
	if p != nil {
		f.Report.Changes, f.Unread = p.Changes, p.Failed
		f.Mendable = mendable(p, w)
	}
	f.Report.Checks = s.verify(ctx, w)
	mail.Causes(f.Report.Checks)
	return err
}

// mendable are the kinds of repairs that a plan has something for.
func mendable(p *plan.Plan, w *world) (kinds []string) {
	for _, kind := range []string{watch.Router, watch.DNS, watch.Service} {
		if slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return restores(w.ledger, kind, c) }) {
			kinds = append(kinds, kind)
		}
	}
	if changes, err := mail.Following(p, w.site.Host, w.ledger); err != nil || slices.ContainsFunc(changes, plan.Change.Writes) {
		kinds = append(kinds, watch.Address)
	}
	return kinds
}

// restores reports whether a change is a repair of a kind.
func restores(l *plan.Ledger, kind string, c plan.Change) bool {
	of := map[string]string{watch.Router: forward.Kind, watch.DNS: "dns", watch.Service: "service"}
	return c.Key.Kind == of[kind] && l.Restores(c)
}

// messageEvery is how often a message is sent whose copy stays in somebody's mailbox.
const messageEvery = 24 * time.Hour

// verify runs the checks. Those that leave a message in a mailbox are run once a day, and as long
// as one of them fails; in between, what they found stands.
func (s *watched) verify(ctx context.Context, w *world) []plan.Check {
	ids := messageIDs()
	if w.cfg.Service.Maildir == "" { // else mailpub takes its own message away again
		ids = append(ids, "mail.local", "mail.read")
	}
	is := func(c plan.Check) bool {
		return slices.Contains(ids, c.ID) || strings.HasSuffix(c.Subject, fromOutside)
	}
	failing := slices.ContainsFunc(s.messages, func(c plan.Check) bool { return c.Status == plan.Fail })
	if s.sent.IsZero() || failing || time.Since(s.sent) >= messageEvery {
		checks := w.check(ctx, nil)
		s.sent, s.messages = time.Now(), nil
		for _, c := range checks {
			if is(c) {
				s.messages = append(s.messages, c)
			}
		}
		return checks
	}
	return append(w.checkWithout(ctx, ids), s.messages...)
}

// leases lists the forwards of a ledger, and when the first of them has to be renewed.
func leases(l *plan.Ledger) (all []watch.Lease, renew time.Time) {
	for _, e := range l.Of(forward.Kind) {
		if e.Text == nil {
			continue
		}
		lease := watch.Lease{Key: e.Key}
		if g := e.Grant; g != nil && g.Lifetime > 0 {
			lease.Until = g.Expires()
			half := g.At.Add(g.Lifetime/2 + time.Second) // from then on plan says so
			if renew.IsZero() || half.Before(renew) {
				renew = half
			}
		}
		all = append(all, lease)
	}
	return all, renew
}

// hear notes whose announcements count from now on.
func (s *watched) hear(w *world) {
	h := heard{address: w.wan}
	if w.router != nil {
		h.router = w.router.Address()
		h.none = !h.router.IsValid()
	}
	if u, err := url.Parse(s.cfg.Router.URL); err == nil && !h.router.IsValid() {
		h.router, _ = netip.ParseAddr(u.Hostname())
	}
	h.none = h.none || h.router.IsLoopback() || s.cfg.Router.RouterKind() != mail.RouterProtocol
	select {
	case <-s.router:
	default:
	}
	s.router <- h
}

// listen hears the router's announcements from the first look on. It begins anew when the router
// is another one.
func (s *watched) listen(ctx context.Context, tell func(watch.Signal)) error {
	h := heard{none: true} // until the first look
	failed := make(chan error, 1)
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case now := <-s.router:
			if now.router == h.router && now.none == h.none { // its address it announces itself
				continue
			}
			stop()
			h, stop = now, func() {}
			if h.none {
				continue
			}
			running, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			l := nat.Listener{Router: h.router, Address: h.address, Interface: s.cfg.Router.Interface, Logger: s.a.logger()}
			go func() {
				defer close(ended)
				if err := l.Run(running, func(e nat.Event) { tell(announced(e)) }); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}()
			stop = func() { cancel(); <-ended }
		}
	}
}

func announced(e nat.Event) watch.Signal {
	kind := map[nat.Happening]watch.Kind{
		nat.Restarted: watch.RouterRestarted, nat.Gone: watch.RouterGone, nat.AddressChanged: watch.AddressSeen,
	}[e.What]
	return watch.Signal{Kind: kind, Text: fmt.Sprintf("router %s: %s (%s)", e.Router, e.Why, e.Protocol)}
}
