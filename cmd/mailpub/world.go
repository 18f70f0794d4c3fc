package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/mailsvc/sts"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

// Names of the parties, as plan, ledger and output have them.
const ()

// world is a site with everything that can be asked or written for it.
type world struct {
	cfg      *config.Config
	site     mail.Spec // complete once want has been called
	ledger   *plan.Ledger
	resolver *resolver.Resolver
	server   mailsvc.Server
	shared   zone.Shared // what zones at the same name server share
	router   *nat.Router // nil when routerErr is set
	wan      netip.Addr  // the router's own; invalid when it did not say

	routerErr, wanErr error
	public            []public // what was found out where the config says auto
	parties           []plan.Party

	probe *probe.Client // nil without one
}

// meet asks the router who it is, and the outside for the public address. It fails only when ctx
// ends: a router that does not answer is a finding, not the end.
func (a *app) meet(ctx context.Context, cfg *config.Config, ledger *plan.Ledger) (*world, error) {
	w := newWorld(cfg, ledger)
	w.findPublic6(ctx)
	var err error
	if w.probe, err = probeClient(ctx, cfg); err != nil {
		return nil, err
	}
	outside := make(chan []sighting, 1)
	go func() {
		if cfg.Server.Public.IPv4 != "auto" {
			outside <- nil
			return
		}
		outside <- w.outside(ctx, false)
	}()
	if a.openRouter(ctx, w, pinholeAddress(cfg.PlanSite(w.auto()...), ledger)); w.router != nil && w.router.Protocol() != "manual" {
		w.wan, w.wanErr = w.router.WAN(ctx)
	}
	w.findPublic4(<-outside)
	w.site = cfg.PlanSite(w.auto()...)
	w.pointers(ctx)
	w.shut(ctx)
	w.server = a.service(w)
	return w, ctx.Err()
}

func newWorld(cfg *config.Config, ledger *plan.Ledger) *world {
	return &world{cfg: cfg, ledger: ledger, resolver: &resolver.Resolver{Servers: cfg.Verify.Resolvers}}
}

// openRouter finds the router. six is where pinholes lead to.
func (a *app) openRouter(ctx context.Context, w *world, six netip.Addr) {
	r := w.cfg.Router
	o := nat.Options{
		Protocol: r.Protocol, Interface: r.Interface, URL: r.URL, IPv6: six,
		Site: w.cfg.Site, Known: w.ledger.Grant, Logger: a.logger(),
	}
	if r.RouterKind() != mail.RouterProtocol {
		o.Protocol = "manual"
	}
	if r.Gateway != "" {
		o.Gateway = netip.MustParseAddr(r.Gateway) // config has checked both
	}
	if r.Gateway6 != "" {
		o.Gateway6 = netip.MustParseAddr(r.Gateway6)
	}
	w.router, w.routerErr = nat.Open(ctx, o)
}

// shut finds the pinholes that can't be had.
func (w *world) shut(ctx context.Context) {
	if w.routerErr == nil {
		w.site.Shut = w.router.Shut(ctx, w.site.ForwardItems())
	}
}

// pinholeAddress returns the address that pinholes lead to: the server's, or the one of
// those that are in the ledger still, so that they can be taken away.
func pinholeAddress(s mail.Spec, ledger *plan.Ledger) netip.Addr {
	if s.IPv6().IsValid() && !s.OpenIPv6 {
		return s.IPv6()
	}
	for _, e := range ledger.Of(forward.Kind) {
		if ap, err := netip.ParseAddrPort(strings.Join(e.Text, "")); err == nil && ap.Addr().Is6() {
			return ap.Addr()
		}
	}
	return netip.Addr{}
}

// enter makes the drivers of every party. Secrets are resolved here, so it fails when
// one is not to be had.
func (a *app) enter(ctx context.Context, w *world) error {
	w.parties = []plan.Party{
		{Target: plan.Target{Kind: mail.TargetService}, Driver: w.server},
		{Target: plan.Target{Kind: mail.TargetRouter}, Driver: w.routerDriver()},
	}
	for i, z := range w.cfg.Zones {
		driver, err := a.zone(ctx, w, i)
		if err != nil {
			return err
		}
		w.parties = append(w.parties, plan.Party{Target: mail.ZoneTarget(z.Name), Driver: driver})
	}
	reverse, err := providers.Open("manual", zone.Options{Zone: ".", Resolver: w.resolver})
	if err != nil {
		return err
	}
	w.parties = append(w.parties, plan.Party{Target: plan.Target{Kind: mail.TargetReverse}, Driver: reverse})
	if slices.ContainsFunc(w.site.Domains, func(d mail.Domain) bool { return d.Policy() != nil }) {
		w.parties = append(w.parties, plan.Party{Target: plan.Target{Kind: mail.TargetWeb}, Driver: &sts.Driver{Fetcher: w.policies()}})
	}
	return nil
}

// zone makes the driver of a zone of the config. Its secrets are resolved here.
func (a *app) zone(ctx context.Context, w *world, i int) (plan.Driver, error) {
	z := w.cfg.Zones[i]
	settings, err := w.cfg.ResolvedSettings(ctx, i)
	if err != nil {
		return nil, err
	}
	return providers.Open(z.Provider, zone.Options{
		Zone: z.Name, TTL: z.TTL, Settings: settings, Resolver: w.resolver, Nameservers: z.Nameservers, Shared: &w.shared, HTTPClient: a.http, Logger: a.logger(),
	})
}

// behindRouter returns the public addresses that a router translates. From inside they lead to the
// router, or by it (hairpin) to where it pleases, and not the way that strangers come. Nobody translates
// IPv6.
func (w *world) behindRouter() []netip.Addr {
	if w.site.Router == mail.RouterNone {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(w.site.Public), func(a netip.Addr) bool { return !a.Unmap().Is4() })
}

// policies fetches MTA-STS policies as the rest of the world does.
func (w *world) policies() *sts.Fetcher {
	var own []string
	for _, a := range w.behindRouter() {
		own = append(own, a.String())
	}
	return &sts.Fetcher{Own: own, Lookup: func(ctx context.Context, host string) (list []string, err error) {
		addrs, err := w.resolver.Addresses(ctx, host)
		for _, a := range addrs {
			list = append(list, a.String())
		}
		return list, err
	}}
}

func (w *world) routerDriver() plan.Driver {
	if w.routerErr != nil {
		return silent{w.routerErr}
	}
	return w.router
}

// silent stands for a router that does not answer.
type silent struct{ err error }

func (silent) Kind() string                                            { return "forward" }
func (s silent) Read(context.Context, []plan.Key) ([]plan.Item, error) { return nil, s.err }
func (s silent) Apply(context.Context, []plan.Change, func(plan.Change, error)) error {
	return s.err
}

// want fills in what the config asks of each party.
func (w *world) want() error {
	for _, p := range w.public {
		if p.err != nil {
			return p.err
		}
	}
	wants, err := w.site.Desired()
	if err != nil {
		return err
	}
	for i, p := range w.parties {
		switch p.Target.Kind {
		case mail.TargetService:
			w.parties[i].Wanted = w.server.Spell(wants.Service)
		case mail.TargetRouter:
			w.parties[i].Wanted = wants.Forwards
		case mail.TargetReverse:
			w.parties[i].Wanted = wants.ByHand
		case mail.TargetWeb:
			w.parties[i].Wanted = wants.Policies
		default:
			w.parties[i].Wanted = holdable(p.Driver, wants.Zones[mail.FQDN(p.Target.Name)])
		}
	}
	return nil
}

// holdable makes a person's work of what the zone's provider can't hold.
func holdable(driver plan.Driver, items []plan.Item) []plan.Item {
	limited, ok := driver.(plan.Limiter)
	if !ok {
		return items
	}
	for i, it := range items {
		if why := limited.Refuses(it); why != "" && it.ByHand == "" {
			items[i].ByHand = why + ": enter it by hand, as far as the provider lets you"
		}
	}
	return items
}

// feasible makes a person's work of changes that a zone's provider can't carry out, where that
// depends on what is there.
func (w *world) feasible(changes []plan.Change) {
	limits := map[plan.Target]func(plan.Change) string{}
	for _, p := range w.parties {
		if l, ok := p.Driver.(plan.ChangeLimiter); ok {
			limits[p.Target] = l.RefusesChange
		}
	}
	for i, c := range changes {
		refuses, ok := limits[c.Target]
		if !ok || !c.Writes() {
			continue
		}
		if why := refuses(c); why != "" {
			changes[i].Action, changes[i].Reason = plan.Manual, why+": do it by hand, as far as the provider lets you"
		}
	}
}

// plan makes the plan of the site as the config wants it.
func (a *app) plan(ctx context.Context, cfg *config.Config, ledger *plan.Ledger) (*world, *plan.Plan, error) {
	w, err := a.meet(ctx, cfg, ledger)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.compare(ctx, w)
	return w, p, err
}

// compare makes the plan of a site that was met.
func (a *app) compare(ctx context.Context, w *world) (*plan.Plan, error) {
	err := a.enter(ctx, w)
	if err == nil {
		err = w.signing()
	}
	if err == nil {
		w.certificates(ctx)
		err = w.want()
	}
	if err != nil {
		return nil, err
	}
	p, err := plan.Make(ctx, w.parties, w.ledger, time.Now())
	if err == nil {
		w.feasible(p.Changes)
		w.dnsFacts().RefuseSPF(ctx, p.Changes)
	}
	return p, err
}

// headline says in one line which site this is.
func (w *world) headline() string {
	public := "no public address known"
	if len(w.site.Public) > 0 {
		var all []string
		for _, a := range w.site.Public {
			all = append(all, a.String())
		}
		public = "public address " + strings.Join(all, ", ")
	}
	for _, p := range w.public {
		if p.err == nil {
			public = strings.Replace(public, p.addr.String(), p.addr.String()+" ("+clean(p.sources())+")", 1)
		}
	}
	return fmt.Sprintf("%s: %s at %s, %s", w.cfg.Site, w.cfg.Server.Hostname, w.cfg.Server.Address, public)
}

func (w *world) targets() (targets []plan.Target) {
	for _, p := range w.parties {
		targets = append(targets, p.Target)
	}
	return targets
}

// about is what stands behind a target in a printed plan.
func (w *world) about(t plan.Target) string {
	switch {
	case t.Kind == mail.TargetRouter && w.router != nil:
		return clean(w.router.Why())
	case t.Kind == mail.TargetService:
		return w.cfg.Service.Type
	}
	if z, ok := w.cfg.ZoneOf(t.Name); ok && mail.ZoneTarget(z.Name) == t {
		return z.Provider
	}
	return ""
}

// smtpAddr is where the mail server answers on the LAN.
func (w *world) smtpAddr() string {
	return netip.AddrPortFrom(w.site.Address, uint16(w.cfg.SMTPPort())).String()
}
