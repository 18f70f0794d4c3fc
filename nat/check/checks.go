package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/nftables"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// Facts is what the router's checks compare the router with. Functions that are nil
// stand for what can't be known.
type Facts struct {
	// Open returns the router; see Open. It is called once. Neither a router nor an error
	// means that there is none to ask: the server has the public address itself.
	Open func(context.Context) (*nat.Router, error)
	// Wanted are the forwards that should be there.
	Wanted []plan.Item
	// Owned reports whether the ledger has a forward as mailpub's own.
	Owned func(plan.Key) bool
	// Kept are the forwards that the ledger has, wanted or not.
	Kept []plan.Key
	// Published returns the addresses that DNS has for the mail host. Those of IPv6 do
	// not matter here.
	Published func(context.Context) ([]netip.Addr, error)
	// Front says for people which public address the network has, as far as others than the
	// router tell; "" where nobody does.
	Front string
	// BehindNAT says that the config knows of another router in front, which forwards too.
	BehindNAT bool
	// Loopback connects from inside to a forwarded port of the public address; nil where that
	// can't be tried, for the reason in NoLoopback.
	Loopback   func(ctx context.Context) (addr string, err error)
	NoLoopback string
	// Server is the mail server's name and its address inside, for advice.
	Server, Inside string
	// Outside returns the public address from which this network is seen.
	Outside func(context.Context) (netip.Addr, error)
}

// Checkers returns the checks of the router. They write nothing.
func Checkers(f Facts) []plan.Checker {
	return []plan.Checker{{
		Area: catalog.AreaRouter, Timeout: 45 * time.Second, Run: f.run,
		IDs: []string{catalog.RouterGateway, catalog.RouterWAN, catalog.RouterAddress, catalog.RouterForward, catalog.RouterStray, catalog.RouterLoopback},
	}}
}

func (f Facts) run(ctx context.Context) []plan.Check {
	r, err := f.Open(ctx)
	gateway := checkGateway(r, err)
	if r == nil {
		none := "no router to ask"
		checks := []plan.Check{gateway,
			skip(catalog.RouterWAN, plan.About("WAN address"), none),
			skip(catalog.RouterAddress, plan.About("public address"), none)}

		for _, w := range f.Wanted {
			checks = append(checks, skip(catalog.RouterForward, subjectOf(w.Key), none))
		}

		if len(f.Wanted) == 0 {
			checks = append(checks, noForwards())
		}

		return append(checks, skip(catalog.RouterStray,
			plan.About("forwards that the config does not want"), none), f.checkLoopback(ctx))
	}

	wan, wanErr := r.WAN(ctx)
	checks := []plan.Check{gateway, f.checkWAN(ctx, r, wan, wanErr),
		f.checkAddress(ctx, r, wan, wanErr)}

	checks = append(checks, f.checkForwards(ctx, r)...)
	return append(checks, f.checkStray(ctx, r), f.checkLoopback(ctx))
}

// subjectOf is a forward as the subject of a check.
func subjectOf(k plan.Key) plan.Subject {
	s := plan.OfKey(k)
	if p, err := forward.ParsePort(k); err == nil {
		s.Port = p.Number
	}
	return s
}

func skip(id string, subject plan.Subject, why string) plan.Check {
	return plan.Check{
		ID:      id,
		Subject: subject,
		Status:  plan.Skip,
		Got:     why,
		Hint:    "see router.gateway",
		Ref:     forwardRef,
		Reason:  plan.ReasonSilent,
	}
}

func noForwards() plan.Check {
	return plan.Check{
		ID:      catalog.RouterForward,
		Subject: plan.About("forwards"),
		Status:  plan.Skip,
		Got:     "none are wanted",
		Hint:    "list the ports of the mail server in router.forwards",
		Ref:     forwardRef,
	}
}

const forwardRef = "UPnP IGD 1 and 2, RFC 6886"

func checkGateway(r *nat.Router, err error) plan.Check {
	c := plan.Check{
		ID:      catalog.RouterGateway,
		Subject: plan.About("router"),
		Want:    "one router that answers UPnP, PCP or NAT-PMP",
		Ref:     forwardRef,
	}

	switch {
	case err == nil && r == nil:
		c.Status = plan.Skip
		c.Got = "none, as configured"
		c.Hint = "set router.protocol to auto if the server is behind a router after all"
	case err == nil && r.Protocol() == "manual":
		c.Status = plan.Warn
		c.Want = "a router configured manually"
		c.Got = "not asked, as the config says manual"
		c.Hint = "keep the forwards as plan lists them; let router.protocol be auto if the router speaks UPnP or NAT-PMP"
	case err == nil:
		c.Status = plan.Pass
		c.Got = r.Device() + "; " + r.ChoiceReason()
	case errors.Is(err, nat.ErrNoRouter):
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = "switch on UPnP or NAT-PMP in the router, or set router.protocol to manual and enter the forwards there"
	case errors.Is(err, nat.ErrSeveralRouters):
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = "name the one that has the public address in router.url or router.interface"
	default:
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "run verify again"
	}

	return c
}

func (f Facts) checkWAN(ctx context.Context, r *nat.Router, wan netip.Addr, err error) plan.Check {
	c := plan.Check{
		ID:      catalog.RouterWAN,
		Subject: plan.About("WAN address of " + r.Device()),
		Want:    "a public address",
		Ref:     "RFC 1918, RFC 6598",
	}

	switch {
	case err == nil:
		c.Status = plan.Pass
		c.Got = wan.String()
	case errors.Is(err, nat.ErrDoubleNAT) && f.BehindNAT:
		c.Status = plan.Pass
		c.Got = err.Error()
		c.Want = "an address behind another router, as the config says"
	case errors.Is(err, nat.ErrDoubleNAT):
		c.Status = plan.Fail
		c.Got = err.Error() + "; " + f.outerNetwork(ctx)
		c.Hint = "the router is behind another one (double NAT): forward the ports there too and set router.behind_nat, or make it a bridge, or ask the provider for a public address"
	default:
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "look up the WAN address in the router"
	}

	return c
}

// outerNetwork says which address the network has on the Internet, behind which the router is.
func (f Facts) outerNetwork(ctx context.Context) string {
	if f.Outside != nil {
		if a, err := f.Outside(ctx); err == nil {
			return "from outside the network is seen at " + a.Unmap().String()
		}
	}

	if f.Front != "" {
		return f.Front
	}

	if f.Published != nil {
		all, err := f.Published(ctx)
		for _, a := range all {
			if a = a.Unmap(); err == nil && a.Is4() {
				return "DNS has " + a.String() + " for the mail host"
			}
		}
	}

	return "the public address in front of it is not known from here"
}

// checkAddress compares the address that the router has with the one that the outside
// sees and the one that DNS publishes.
func (f Facts) checkAddress(ctx context.Context, r *nat.Router, wan netip.Addr, wanErr error) plan.Check {
	c := plan.Check{
		ID:      catalog.RouterAddress,
		Subject: plan.About("public address"),
		Want:    "router = outside view = published",
		Ref:     "RFC 5321 section 5.1",
	}

	var got, missing []string
	var known []netip.Addr
	if wanErr == nil {
		known = append(known, wan)
		got = append(got, "router "+wan.String())
	} else {
		missing = append(missing, wanErr.Error())
	}

	if f.Outside == nil {
		missing = append(missing, "no probe shows the outside view")
	} else if a, err := f.Outside(ctx); err != nil {
		missing = append(missing, "outside view: "+err.Error())
	} else if !a.Unmap().Is4() {
		missing = append(missing, "outside view: "+a.String()+", not by IPv4")
	} else {
		known = append(known, a.Unmap())
		got = append(got, "outside view "+a.Unmap().String())
	}

	if f.Published == nil {
		missing = append(missing, "the published address is not known")
	} else if all, err := f.Published(ctx); err != nil {
		missing = append(missing, "published: "+err.Error())
	} else {
		var texts []string
		for _, a := range all {
			if a = a.Unmap(); a.Is4() { // no NAT between here and IPv6
				texts = append(texts, a.String())
				known = append(known, a)
			}
		}

		if len(texts) == 0 {
			texts = []string{"none"}
			known = append(known, netip.Addr{})
			c.Reason = plan.ReasonAbsent
		}

		got = append(got, "published "+strings.Join(texts, " and "))
	}

	c.Got = strings.Join(append(got, missing...), "; ")
	differ := slices.ContainsFunc(known, func(a netip.Addr) bool { return a != known[0] })
	switch {
	case differ && c.Reason == plan.ReasonAbsent:
		c.Status = plan.Fail
		c.Hint = "mailpub apply publishes the address"
	case differ:
		c.Status = plan.Fail
		c.Hint = "run apply if the router's address is the right one; if the outside sees another, the router is behind another NAT"
	case len(known) < 2:
		c.Status = plan.Skip
		c.Hint = "compare it with the address that a server outside sees"
	default:
		c.Status = plan.Pass // what is missing stands in Got
	}

	return c
}

func (f Facts) checkForwards(ctx context.Context, r *nat.Router) []plan.Check {
	if len(f.Wanted) == 0 {
		return []plan.Check{noForwards()}
	}

	keys := make([]plan.Key, len(f.Wanted))
	for i, w := range f.Wanted {
		keys[i] = w.Key
	}

	items, err := r.Read(ctx, keys)
	found := map[plan.Key]plan.Item{}
	for _, it := range items {
		found[it.Key] = it
	}

	var checks []plan.Check
	for _, w := range f.Wanted {
		c := plan.Check{
			ID:      catalog.RouterForward,
			Subject: subjectOf(w.Key),
			Want:    strings.Join(w.Lines, " "),
			Ref:     forwardRef,
		}

		if err != nil {
			c.Status = plan.Skip
			c.Got = err.Error()
			c.Hint = "run verify again; if it stays so, restart the router"
		} else {
			it, ok := found[w.Key]
			c.Status, c.Got, c.Hint = f.compareForward(ctx, r, w, it, ok)
			if !ok && f.Owned != nil && f.Owned(w.Key) {
				c.Reason = plan.ReasonLost
				c.Got = "not in the router any more"
				if at, lapsed := r.Lapsed(w.Key); lapsed {
					c.Reason = plan.ReasonLapsed
					c.Got = "not in the router any more: its lease ran out at " +
						at.UTC().Format(time.RFC3339)
					c.Hint = "mailpub apply puts it there again; let mailpub watch run, which renews leases in time"
				}
			}
		}

		checks = append(checks, c)
	}

	return checks
}

// compareForward compares one forward in the router with what is wanted.
func (f Facts) compareForward(ctx context.Context, r *nat.Router, want, is plan.Item, there bool) (status plan.Status, got, hint string) {
	text := strings.Join(is.Lines, " ")
	switch {
	case !there:
		return plan.Fail, "not in the router", "mailpub apply puts it there"
	case len(is.Lines) == 0 && is.Again != "":
		return plan.Fail, is.Again, "mailpub apply asks the router for it"
	case is.Unreadable != "":
		return plan.Skip, is.Unreadable, "look from outside: connect to the port of the public address"
	case !plan.EqualLines(is.Lines, want.Lines) && strings.HasSuffix(text, " disabled"):
		return plan.Fail, text, "enable it in the router, or run apply"
	case !plan.EqualLines(is.Lines, want.Lines):
		return plan.Fail, text, "run apply --adopt to take it over, if no other host needs it"
	case !is.Marked && f.Owned != nil && !f.Owned(want.Key):
		return plan.Fail, text + ", created by another program", "run apply to take it up, so that it is renewed"
	}

	if left, whole, ok := r.Lease(is); ok && left < whole/2 {
		return plan.Warn, fmt.Sprintf("%s, for another %v of %v", text,
			left.Round(time.Second), whole), "mailpub apply renews it"
	}

	at, _ := forward.ParsePort(want.Key) // it was read by it
	switch p := r.ProtocolOf(want.Key); {
	case p == "upnp" && at.Pinhole():
		return plan.Skip, "granted, and the router knows its number; it does not report the target", "look from outside: connect to the port of the address"
	case (p == "nat-pmp" || p == "pcp") && r.EpochStandsStill(want.Key):
		return plan.Warn, "granted, but the router's epoch does not advance with time, so a restart that loses its forwards goes unnoticed",
			"set router.protocol to upnp where the router speaks that, or let mailpub watch verify from outside (verify.probe)"
	case p == "nat-pmp" || p == "pcp":
		return plan.Skip, "granted, and the router has not restarted since; " + p +
			" can't list what it maps", "look from outside: connect to the port of the public address"
	}

	open := "let its chain accept what was translated: nft insert rule TABLE CHAIN ct status dnat accept"
	if at.Pinhole() {
		open = "let its chain accept what mailpub marks: " + nftables.PinholeAdvice
	}

	if what, err := r.Obstacle(ctx, want.Key, is.Lines); what != "" {
		return plan.Fail, text + ", but " + what, open
	} else if err != nil {
		return plan.Warn, text + ", but " + err.Error(), open + "; or connect from outside"
	}

	return plan.Pass, text, ""
}
