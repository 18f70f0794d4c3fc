package check

import (
	"cmp"
	"context"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// checkLoopback says whether the router leads a client inside, which asks for the public
// address, back to the server (NAT loopback, hairpinning: RFC 4787 section 6). It is for the
// clients inside, and proves nothing of the way from outside: a router may do one and not
// the other. It never fails.
func (f Facts) checkLoopback(ctx context.Context) plan.Check {
	c := plan.Check{
		ID:      catalog.RouterLoopback,
		Subject: plan.About("public address from inside"),
		Want:    "the server, or split DNS",
		Ref:     "RFC 4787 section 6",
	}

	if f.Loopback == nil {
		c.Status = plan.Skip
		c.Got = cmp.Or(f.NoLoopback, "not tried")
		c.Hint = "connect from a client inside to the public name of the server"
		return c
	}

	addr, err := f.Loopback(ctx)
	switch {
	case err == nil:
		c.Status = plan.Pass
		c.Got = addr + " reaches the server by hairpin NAT, which proves nothing about connections from outside"
	case ctx.Err() != nil:
		c.Status = plan.Skip
		c.Got = ctx.Err().Error()
		c.Hint = "run verify again"
	default:
		c.Status = plan.Warn
		c.Advice = true
		c.Got = addr + " is not reached from inside: " + err.Error()
		c.Hint = "clients inside that use " + f.Server +
			" need a DNS server inside that answers " + f.Inside +
			" for it (split DNS), or NAT loopback switched on in the router"
	}

	return c
}
