package site

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// publicChecks compares what the router and the outside say of the public address. Without
// anybody outside to ask there is nothing to compare.
func (s *Site) publicChecks() []plan.Checker {
	if len(s.cfg.Server.Public.Echo) == 0 ||
		s.cfg.Server.Public.IPv4 != auto && !s.router.wan.IsValid() {
		return nil
	}

	find := addressFinder{cfg: s.cfg, resolver: s.resolver, probe: s.probe}
	return []plan.Checker{{Area: catalog.AreaRouter, IDs: []string{catalog.RouterAddress}, Run: func(ctx context.Context) []plan.Check {
		c := plan.Check{
			ID:      catalog.RouterAddress,
			Subject: plan.About("as seen from outside"),
			Status:  plan.Pass,
			Want:    "all the same",
			Ref:     "RFC 6269 section 13",
		}

		p := publicAddress{seen: append([]addressSource{{routerSource, s.router.wan, s.router.wanErr}}, find.openRouterAndAddresses(ctx, false)...)}
		p.agree(explainIPv4)
		var said, failed []string

		for _, source := range p.seen {
			if source.err == nil {
				said = append(said, source.name+": "+source.addr.String())
			} else {
				failed = append(failed, source.err.Error())
			}
		}

		c.Got = strings.Join(said, ", ")
		switch {
		case len(said) < 2:
			c.Status = plan.Skip
			c.Got = "only one source answers: " + strings.Join(append(said, failed...), "; ")
			c.Hint = "check that this machine reaches the echo services in server.public.echo over UDP port 53"
		case p.err != nil:
			c.Status = plan.Fail
			c.Hint = explainIPv4(p.seen)
		}

		return []plan.Check{c}
	}}}
}

// outerAddress says which public IPv4 address the network has, as others than the router tell; ""
// where no other source does.
func (s *Site) outerAddress() string {
	if a, err := netip.ParseAddr(s.cfg.Server.Public.IPv4); err == nil {
		return fmt.Sprintf("the public address is %s, as the config says", a)
	}

	for _, p := range s.public {
		for _, source := range p.seen {
			if !p.ipv6 && source.err == nil && source.name != routerSource {
				return fmt.Sprintf("%s sees %s", source.name, source.addr)
			}
		}
	}

	return ""
}

// seenOutside returns what tells the address that the probe sees; nil without a probe.
func (s *Site) seenOutside() func(context.Context) (netip.Addr, error) {
	if s.probe == nil {
		return nil
	}

	return func(ctx context.Context) (netip.Addr, error) {
		for _, p := range s.public { // it was asked already
			for _, source := range p.seen {
				if source.name == probeSource && !p.ipv6 {
					return source.addr, source.err
				}
			}
		}

		answer, err := askProbe(ctx, s.probe, probe.Request{})
		return answer.Seen, err
	}
}
