package site

import (
	"context"
	"errors"
	"net/netip"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/trace"
	"github.com/mailpub/mailpub/providers/resolver"
)

// OpenFile opens the site of a config file for looking: nothing is locked, and nothing can be
// written.
func OpenFile(ctx context.Context, file string, o Options) (*Site, error) {
	cfg, l, err := Load(ctx, file, o)
	if err != nil {
		return nil, err
	}
	return Open(ctx, cfg, l, o)
}

// Open opens a site for looking. It asks the router who it is, and the router and the sources that
// the config names for the public address. A router that does not answer is no error: plans and
// checks say so. The error is that of the probe's token, or ctx's.
func Open(ctx context.Context, cfg *config.Config, l *plan.Ledger, o Options) (*Site, error) {
	return open(ctx, cfg, l, nil, o)
}

// Open opens the site for writing. It is for one plan: open it anew for the next.
func (l *Lock) Open(ctx context.Context) (*Site, error) {
	return open(ctx, l.cfg, l.held.Ledger(), l.held, l.options)
}

func open(ctx context.Context, cfg *config.Config, l *plan.Ledger, lock plan.Lock, o Options) (*Site, error) {
	o.Logger = redactLogger(o.Logger, cfg.Secrets())
	trace.Redact(ctx, cfg.Site, cfg.Secrets().Text)
	if err := errors.Join(o.Scope.check(cfg), o.checkPublic(cfg)); err != nil {
		return nil, err
	}

	resolver := o.resolver(cfg)
	client, err := NewProbe(ctx, cfg)
	if err != nil {
		return nil, err
	}

	spec, r, public := o.openRouterAndAddresses(ctx, cfg, l, addressFinder{
		cfg:      cfg,
		resolver: resolver,
		probe:    client,
	})

	server, err := newServer(cfg, spec, l, o)
	if err != nil {
		return nil, err
	}

	spec.Pointers = pointers(ctx, cfg, l, resolver, spec.Public)
	spec.Shut = r.blockedPinholes(ctx, spec.ForwardItems())
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	return &Site{
		cfg:      cfg,
		options:  o,
		ledger:   l,
		lock:     lock,
		resolver: resolver,
		pool:     o.Shared.pool(),
		router:   r,
		public:   public,
		spec:     spec,
		server:   server,
		probe:    client,
	}, nil
}

// openRouterAndAddresses opens the router and finds out the public addresses, and returns what is wanted with these.
func (o Options) openRouterAndAddresses(ctx context.Context, cfg *config.Config, l *plan.Ledger, find addressFinder) (mail.Spec, router, []publicAddress) {
	if !o.Scope.target(plan.Target{Kind: mail.TargetRouter}) {
		var public []publicAddress
		for ipv6, set := range map[bool]string{false: cfg.Server.Public.IPv4,
			true: cfg.Server.Public.IPv6} {
			if set == auto {
				public = append(public, o.withoutAsking(cfg, l, ipv6))
			}
		}

		return cfg.PlanSite(foundAddresses(public)...), router{err: errNotAsked}, public
	}

	own := addressFinder{cfg: cfg, resolver: find.resolver}.ipv6(ctx)
	answers := make(chan []addressSource, 1)
	go func() {
		if cfg.Server.Public.IPv4 != auto || o.isGiven(false) {
			answers <- nil
			return
		}
		answers <- find.openRouterAndAddresses(ctx, false)
	}()

	if o.isGiven(true) {
		own = []publicAddress{o.withoutAsking(cfg, l, true)}
	}

	spec := cfg.PlanSite(foundAddresses(own)...)
	r := openRouter(ctx, cfg, l, pinholeAddress(spec, l), o.logger())
	r.askWAN(ctx)
	public := own

	if o.isGiven(false) {
		<-answers
		public = append(public, o.withoutAsking(cfg, l, false))
	} else {
		public = append(public, find.ipv4(r, <-answers)...)
	}

	if len(public) > len(own) {
		spec = cfg.PlanSite(foundAddresses(public)...)
	}

	return spec, r, public
}

// openRouterOnly opens the site with its forwards alone, for writing: nobody but the router is
// asked. It knows the public addresses that the config names.
func (l *Lock) openRouterOnly(ctx context.Context) (*Site, error) {
	kept := l.held.Ledger()
	six := pinholeAddress(l.cfg.PlanSite(), kept)
	r := openRouter(ctx, l.cfg, kept, six, l.options.logger())
	if r.err != nil {
		return nil, r.err
	}

	spec := l.cfg.PlanSite(six)
	server, err := newServer(l.cfg, spec, kept, l.options)
	if err != nil {
		return nil, err
	}

	spec.Shut = r.blockedPinholes(ctx, spec.ForwardItems())
	return &Site{
		cfg:      l.cfg,
		options:  l.options,
		ledger:   kept,
		lock:     l.held,
		resolver: l.options.resolver(l.cfg),
		pool:     l.options.Shared.pool(),
		router:   r,
		spec:     spec,
		server:   server,
	}, nil
}

// resolver asks the site's name servers.
func (o Options) resolver(cfg *config.Config) *resolver.Resolver {
	r := newResolver(cfg)
	if o.Shared != nil {
		r.Shared = &o.Shared.questions
	}
	return r
}

func newResolver(cfg *config.Config) *resolver.Resolver {
	return &resolver.Resolver{Servers: cfg.Verify.Resolvers}
}

// PublicIPv6 returns the mail server's public IPv6 address, found out where the config says auto;
// the zero address where it has none.
func PublicIPv6(ctx context.Context, cfg *config.Config) netip.Addr {
	own := addressFinder{cfg: cfg, resolver: newResolver(cfg)}.ipv6(ctx)
	return cfg.PlanSite(foundAddresses(own)...).IPv6()
}
