package check

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// config compares every managed setting with what the server itself says is in force, and
// every address with what it answers.
func (f Facts) config(ctx context.Context) (out []plan.Check) {
	settings, err := f.inspectedSettings(ctx)
	if err != nil {
		out = append(out, plan.Check{
			ID:      catalog.ServiceConfig,
			Subject: plan.About("the server's settings"),
			Status:  plan.Skip,
			Want:    "as in the config",
			Got:     err.Error(),
			Hint:    "let mailpub run the server's own commands, as an administrator on its machine",
			Ref:     "the server's own commands",
		})
	}

	for _, s := range settings {
		if s.Need != mail.NeedDelivery {
			out = append(out, checkSetting(s, catalog.ServiceConfig,
				"mailpub plan shows it, and apply sets it; where plan does not, something else overrides it"))
		}
	}

	for i, is := range f.tryRecipients(ctx, fromNull(f.Aliases)...) {
		a := f.Aliases[i]
		c := plan.Check{
			ID: catalog.ServiceConfig,
			Subject: plan.Subject{
				Name: a,
				Text: "alias " + a,
			},
			Want: "RCPT accepted",
			Ref:  "RFC 5321 section 3.3",
		}

		out = append(out, f.evaluate(c, is, func(c *plan.Check) {
			if c.Status = plan.Pass; !is.rcpt.Accepted() {
				c.Status = plan.Fail
				c.Hint = "let the server accept " + a + "; mailpub plan shows how"
			}
		}))
	}

	if len(out) == 0 {
		out = singleCheck(plan.Check{
			ID:      catalog.ServiceConfig,
			Subject: plan.About("the server's settings"),
			Status:  plan.Skip,
			Want:    "as in the config",
			Got:     "this server's settings can't be read from here",
			Hint:    "see the other checks of mail: they ask the server by SMTP",
			Ref:     "RFC 5321",
		})
	}

	return out
}

func (f Facts) inspectedSettings(ctx context.Context) ([]mailsvc.Setting, error) {
	if f.Inspect == nil {
		return nil, nil
	}
	return f.Inspect(ctx)
}

// checkSetting compares what is in force with what is needed.
func checkSetting(s mailsvc.Setting, id, hint string) plan.Check {
	c := plan.Check{
		ID:      id,
		Subject: plan.About(s.Subject),
		Status:  plan.Pass,
		Want:    s.Want,
		Got:     s.Got,
		Ref:     "the server's own commands",
	}

	switch {
	case s.Unknown:
		c.Status = plan.Skip
		c.Hint = "let mailpub look as an administrator of the server's machine"
	case !s.Good:
		c.Status = plan.Fail
		c.Hint = hint
	}

	return c
}

// delivery compares the way out of the server.
func (f Facts) delivery(ctx context.Context) (out []plan.Check) {
	settings, err := f.inspectedSettings(ctx)
	for _, s := range settings {
		if s.Need == mail.NeedDelivery {
			out = append(out, checkSetting(s, catalog.ServiceDelivery,
				"mailpub apply sets it: mail that leaves another way fails SPF"))
		}
	}

	if len(out) > 0 {
		return out
	}

	c := plan.Check{
		ID:      catalog.ServiceDelivery,
		Subject: plan.About("how mail leaves"),
		Status:  plan.Skip,
		Want:    "as in the config",
		Ref:     "RFC 7208 section 4",
		Got:     "this server's way out can't be seen from here",
		Hint:    "send a message to an external address, and check its Received fields",
	}

	if err != nil {
		c.Got = err.Error()
	}

	return singleCheck(c)
}

// collectors sees that the hosts that mail is fetched from do not point home.
func (f Facts) collectors(ctx context.Context) (out []plan.Check) {
	for _, host := range f.Collectors {
		c := plan.Check{
			ID:      catalog.ServiceCollector,
			Subject: plan.OfName(host),
			Want:    "an address of the provider's",
			Ref:     "RFC 1939 section 3",
		}

		addrs, err := f.addresses(ctx, host)
		if err != nil {
			c.Status = plan.Skip
			c.Got = err.Error()
			c.Hint = "look whether the name is right, and at the resolver; verify again"
			out = append(out, c)
			continue
		}

		c.Status = plan.Pass
		c.Got = "is " + joined(addrs)
		for _, a := range addrs {
			if slices.Contains(f.Own, a.Unmap()) {
				c.Status = plan.Fail
				c.Hint = fmt.Sprintf("%s is this server itself, so it would fetch from its own mailboxes: let the collector poll the provider's server by its address", a)
			}
		}

		out = append(out, c)
	}

	return out
}

// addresses returns what a collector would connect to.
func (f Facts) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if f.Lookup == nil {
		return nil, fmt.Errorf("%s: no resolver to look up its address", host)
	}

	addrs, err := f.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}

	return addrs, err
}

func joined(addrs []netip.Addr) string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return strings.Join(all, ", ")
}
