package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/sts"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers"
)

// Names of the parties, as plan, ledger and output have them.
const (
	serviceParty = "mail service"
	routerParty  = "router"
	reverseParty = "reverse zone of the provider"
	webParty     = "web server"
)

func zoneParty(zone string) string { return "zone " + strings.TrimSuffix(zone, ".") }

// world is a site with everything that can be asked or written for it.
type world struct {
	cfg      *config.Config
	site     plan.Site // complete once want has been called
	ledger   *plan.Ledger
	resolver *providers.Resolver
	server   mailsvc.Server
	router   *nat.Router // nil when routerErr is set
	wan      netip.Addr  // the router's own; invalid when it did not say

	routerErr, wanErr error
	parties           []plan.Party
}

// errPublic means that the public address was to be found out and could not be.
var errPublic = errors.New("server.public.ipv4 is auto, and the router does not say the public address")

// meet asks the router who it is. It fails only when ctx ends: a router that does not
// answer is a finding, not the end.
func (a *app) meet(ctx context.Context, cfg *config.Config, ledger *plan.Ledger) (*world, error) {
	w := &world{cfg: cfg, ledger: ledger, resolver: &providers.Resolver{Servers: cfg.Verify.Resolvers}}
	o := nat.Options{
		Protocol: cfg.Router.Protocol, Interface: cfg.Router.Interface, URL: cfg.Router.URL,
		Site: cfg.Site, Known: ledger.Grant, Logger: a.logger(),
	}
	if cfg.Router.RouterKind() != plan.RouterProtocol {
		o.Protocol = "manual"
	}
	if cfg.Router.Gateway != "" {
		o.Gateway = netip.MustParseAddr(cfg.Router.Gateway) // config has checked it
	}
	if w.router, w.routerErr = nat.Open(ctx, o); w.routerErr == nil && o.Protocol != "manual" {
		w.wan, w.wanErr = w.router.WAN(ctx)
	}
	w.site = cfg.PlanSite(w.wan)
	w.server = a.service(w)
	return w, ctx.Err()
}

// enter makes the drivers of every party. Secrets are resolved here, so it fails when
// one is not to be had.
func (a *app) enter(ctx context.Context, w *world) error {
	w.parties = []plan.Party{{Name: serviceParty, Driver: w.server}, {Name: routerParty, Driver: w.routerDriver()}}
	for i, z := range w.cfg.Zones {
		settings, err := w.cfg.ResolvedSettings(ctx, i)
		if err != nil {
			return err
		}
		driver, err := providers.Open(z.Provider, providers.Options{
			Zone: z.Name, TTL: z.TTL, Settings: settings, Resolver: w.resolver, Logger: a.logger(),
		})
		if err != nil {
			return err
		}
		w.parties = append(w.parties, plan.Party{Name: zoneParty(z.Name), Driver: driver})
	}
	reverse, err := providers.Open("manual", providers.Options{Zone: ".", Resolver: w.resolver})
	if err != nil {
		return err
	}
	w.parties = append(w.parties, plan.Party{Name: reverseParty, Driver: reverse})
	if slices.ContainsFunc(w.site.Domains, func(d plan.Domain) bool { return d.Policy() != nil }) {
		w.parties = append(w.parties, plan.Party{Name: webParty, Driver: &sts.Driver{Fetcher: w.policies()}})
	}
	if err := w.signing(); err != nil {
		return err
	}
	w.certificates(ctx)
	return nil
}

// policies fetches MTA-STS policies as the rest of the world does.
func (w *world) policies() *sts.Fetcher {
	return &sts.Fetcher{Lookup: func(ctx context.Context, host string) (list []string, err error) {
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
	if len(w.site.Public) == 0 {
		cause := w.routerErr
		if cause == nil {
			cause = w.wanErr
		}
		return fmt.Errorf("%w: %w", errPublic, cause)
	}
	wants, err := w.site.Wants()
	if err != nil {
		return err
	}
	for i, p := range w.parties {
		switch p.Name {
		case serviceParty:
			w.parties[i].Wanted = w.server.Spell(wants.Service)
		case routerParty:
			w.parties[i].Wanted = wants.Forwards
		case reverseParty:
			w.parties[i].Wanted = wants.ByHand
		case webParty:
			w.parties[i].Wanted = wants.Policies
		default:
			w.parties[i].Wanted = holdable(p.Driver, wants.Zones[plan.FQDN(strings.TrimPrefix(p.Name, "zone "))])
		}
	}
	return nil
}

// holdable makes a person's work of what the zone's provider can't hold.
func holdable(driver plan.Driver, items []plan.Item) []plan.Item {
	limited, ok := driver.(interface{ Refuses(plan.Item) string })
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

// plan makes the plan of the site as the config wants it.
func (a *app) plan(ctx context.Context, cfg *config.Config, ledger *plan.Ledger) (*world, *plan.Plan, error) {
	w, err := a.meet(ctx, cfg, ledger)
	if err == nil {
		err = a.enter(ctx, w)
	}
	if err == nil {
		err = w.want()
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.Make(ctx, w.parties, ledger, time.Now())
	return w, p, err
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
	if w.cfg.Server.Public.IPv4 == "auto" && w.wan.IsValid() {
		public += " (the router's)"
	}
	return fmt.Sprintf("%s: %s at %s, %s", w.cfg.Site, w.cfg.Server.Hostname, w.cfg.Server.Address, public)
}

// gates are what must hold before the world is sent here.
func (w *world) gates() []plan.Gate {
	addr := w.smtpAddr()
	return []plan.Gate{{
		Stage: plan.StageMail,
		Name:  fmt.Sprintf("%s answers at %s", w.cfg.Server.Hostname, addr),
		Check: func(ctx context.Context) error {
			return mailsvc.Answers(ctx, nil, addr, w.cfg.Server.Hostname)
		},
	}}
}

func (w *world) names() (names []string) {
	for _, p := range w.parties {
		names = append(names, p.Name)
	}
	return names
}

// about is what stands behind a party's name in a printed plan.
func (w *world) about(party string) string {
	switch {
	case party == routerParty && w.router != nil:
		return clean(w.router.Why())
	case party == serviceParty:
		return w.cfg.Service.Type
	}
	for _, z := range w.cfg.Zones {
		if zoneParty(z.Name) == party {
			return z.Provider
		}
	}
	return ""
}

// smtpAddr is where the mail server answers on the LAN.
func (w *world) smtpAddr() string {
	return netip.AddrPortFrom(w.site.Address, uint16(w.cfg.SMTPPort())).String()
}
