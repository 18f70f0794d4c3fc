package site

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// router is the site's router, or why it does not answer.
type router struct {
	*nat.Router       // nil when err is set
	err         error // ErrNoRouter and its kin
	wan         netip.Addr
	wanErr      error // why wan is not valid, where the router was asked
}

// openRouter finds the router. six is where pinholes lead to.
func openRouter(ctx context.Context, cfg *config.Config, l *plan.Ledger, six netip.Addr, log *slog.Logger) (r router) {
	c := cfg.Router
	options := nat.Options{
		Protocol: c.Protocol,
		Selection: nat.Selection{
			Interface: c.Interface,
			URL:       c.URL,
			IPv6:      six,
		},
		Owner: nat.Owner{
			Site:     cfg.Site,
			Names:    forwardNames(cfg),
			Recorded: forwardKeys(l),
			Known:    l.Grant,
		},
		System: nat.System{
			Timeout: c.Timeout,
			Logger:  log,
		},
	}

	if c.RouterKind() != mail.RouterProtocol {
		options.Protocol = "manual"
	}

	if c.Gateway != "" {
		options.Gateway = netip.MustParseAddr(c.Gateway) // config has checked both
	}

	if c.Gateway6 != "" {
		options.Gateway6 = netip.MustParseAddr(c.Gateway6)
	}

	r.Router, r.err = nat.Open(ctx, options)
	return r
}

// forwardNames returns what the config calls each forward.
func forwardNames(cfg *config.Config) func(plan.Key) string {
	names := map[plan.Key]string{}
	for _, f := range cfg.Router.Forwards {
		names[plan.Key{
			Kind: forward.Kind,
			Name: fmt.Sprintf("%s/%d", f.Proto, f.Port),
		}] = f.Name
	}

	return func(k plan.Key) string { return names[k] }
}

// forwardKeys are the forwards that the ledger has.
func forwardKeys(l *plan.Ledger) (keys []plan.Key) {
	for _, e := range l.Of(forward.Kind) {
		keys = append(keys, e.Key)
	}
	return keys
}

// askWAN asks the router for its own public address.
func (r *router) askWAN(ctx context.Context) {
	if r.Router != nil && r.Protocol() != "manual" {
		r.wan, r.wanErr = r.WAN(ctx)
	}
}

// blockedPinholes are the pinholes among items that the router can't make, and why.
func (r *router) blockedPinholes(ctx context.Context, items []plan.Item) map[plan.Key]string {
	if r.err != nil {
		return nil
	}
	return r.BlockedPinholes(ctx, items)
}

// driver is what plans read and write the router with.
func (r *router) driver() plan.Driver {
	if r.err != nil {
		return unreachableRouter{r.err}
	}
	return r.Router
}

// unreachableRouter stands for a router that does not answer.
type unreachableRouter struct{ err error }

func (unreachableRouter) Kind() string { return forward.Kind }

func (r unreachableRouter) Read(context.Context, []plan.Key) ([]plan.Item, error) { return nil, r.err }

func (r unreachableRouter) Apply(context.Context, []plan.Change, func(plan.Change, error)) error {
	return r.err
}

// pinholeAddress returns the address that pinholes lead to: the server's, or the one of
// those that are in the ledger still, so that they can be taken away.
func pinholeAddress(spec mail.Spec, l *plan.Ledger) netip.Addr {
	if spec.IPv6().IsValid() && !spec.OpenIPv6 {
		return spec.IPv6()
	}

	for _, e := range l.Of(forward.Kind) {
		if ap, err := netip.ParseAddrPort(strings.Join(e.Text, "")); err == nil &&
			ap.Addr().Is6() {
			return ap.Addr()
		}
	}

	return netip.Addr{}
}
