package nftables

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/google/nftables"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/nat/netfilter"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/netaddr"
)

// Router is the Linux router that mailpub runs on itself, spoken to by nftables. Its
// forwards are rules in a table of mailpub's own, so that they survive when others load
// their tables again, and strangers' tables are never written to. Only what comes in by the
// WAN interface is translated: hairpin NAT stays as its owner made it.
type Router struct {
	wanDev string
	mark   string
	now    func() time.Time
	// dial opens a connection to the kernel; of the network namespace that the process is in.
	dial func() (*nftables.Conn, error)
}

// Of the table of our own. It comes just before the usual place of destination NAT, as the
// first chain that translates a connection decides (nft(8), priorities).
const (
	nftTable    = "mailpub"
	nftChain    = "prerouting"
	nftPriority = nftables.ChainPriority(-110) // dstnat - 10
)

// Open makes sure that this machine's rules can be read. dev is the interface of the
// WAN; "" is the one with the default route. mark describes the rules that it writes. why says
// in one line what was chosen.
func Open(ctx context.Context, dev, mark string, now func() time.Time) (n *Router, why string, err error) {
	why = "as the config says"
	if dev == "" {
		routes, err := gateway.DefaultRoutes()
		if err != nil || len(routes) == 0 {
			return nil, "", errors.Join(errors.New("this machine has no default route, and so no WAN interface"), err)
		}
		dev = routes[0].Dev
		why = "which has the default route"
	}

	n = &Router{
		wanDev: dev,
		mark:   mark,
		now:    now,
		dial:   func() (*nftables.Conn, error) { return nftables.New() },
	}

	if _, err := net.InterfaceByName(dev); err != nil {
		return nil, "", fmt.Errorf("network interface %q: %w", dev, err)
	}

	if _, err := n.rules(ctx); errors.Is(err, os.ErrPermission) {
		return nil, "", errors.New("nftables needs root, or CAP_NET_ADMIN")
	} else if err != nil {
		return nil, "", err
	}

	return n, fmt.Sprintf("nftables: this machine is the router, WAN is %s, %s", dev, why), nil
}

func (n *Router) Protocol() string { return "nftables" }
func (n *Router) String() string {
	return "router by nftables on this machine, WAN " +
		n.wanDev
}

// WAN returns the address of the WAN interface, the first that is public if there are several.
func (n *Router) WAN(context.Context) (first netip.Addr, err error) {
	nets, err := gateway.Networks4(n.wanDev)
	for _, p := range nets {
		if netaddr.NotPublic(p.Addr()) == "" {
			return p.Addr(), nil
		}
		if !first.IsValid() {
			first = p.Addr()
		}
	}

	return first, err
}

// Read tells of each port which rule decides: the first one that translates it, in our
// table or in another.
func (n *Router) Read(ctx context.Context, ports []forward.Port) (found []forward.Mapping, err error) {
	rules, err := n.rules(ctx)
	if err != nil {
		return nil, err
	}

	for _, p := range ports {
		if r := first(rules, p, n.counts); r != nil {
			found = append(found, forward.Mapping{
				Port:        p,
				To:          r.to,
				Description: r.comment,
				Grant: plan.Grant{
					At:    n.now(),
					State: n.Protocol(),
				},
			})
		}
	}

	return found, nil
}

// List returns every forward of the WAN that is understood, in our table or in another. Of
// several rules for a port it is the one that decides.
func (n *Router) List(ctx context.Context) (found []forward.Mapping, err error) {
	rules, err := n.rules(ctx)
	if err != nil {
		return nil, err
	}

	seen := map[forward.Port]bool{}
	for _, r := range rules {
		if seen[r.Port] || !n.counts(r) {
			continue
		}

		seen[r.Port] = true
		found = append(found, forward.Mapping{
			Port:        r.Port,
			To:          r.to,
			Description: r.comment,
			Grant: plan.Grant{
				At:    n.now(),
				State: n.Protocol(),
			},
		})
	}

	return found, nil
}

// counts reports whether a rule is for what comes in by the WAN interface.
func (n *Router) counts(r natRule) bool { return r.dev == "" || r.dev == n.wanDev }

// isForeign reports whether it is so and somebody else's.
func (n *Router) isForeign(r natRule) bool { return !r.own() && n.counts(r) }

func first(rules []natRule, p forward.Port, good func(natRule) bool) *natRule {
	for i, r := range rules {
		if r.Port == p && good(r) {
			return &rules[i]
		}
	}
	return nil
}

// Add writes a rule into our table in place of the one for that port, as one transaction.
// Where another table's rule leads there already, ours goes instead.
func (n *Router) Add(ctx context.Context, p forward.Port, to forward.Target, _ time.Duration) error {
	host, err := netip.ParseAddr(to.Host)
	if err != nil || !host.Is4() {
		return fmt.Errorf("%q is no IPv4 address", to.Host)
	}
	if to.Disabled {
		return errors.New("nftables knows no disabled forwards")
	}

	rules, err := n.rules(ctx)
	if err != nil {
		return err
	}
	if theirs := first(rules, p, n.isForeign); theirs != nil && theirs.to == to {
		return n.withdraw(ctx, rules, p)
	}

	conn, err := n.dial()
	if err != nil {
		return err
	}

	table := conn.AddTable(&nftables.Table{Name: nftTable, Family: nftables.TableFamilyIPv4})
	priority := nftPriority
	chain := conn.AddChain(&nftables.Chain{
		Name:     nftChain,
		Table:    table,
		Type:     nftables.ChainTypeNAT,
		Hooknum:  nftables.ChainHookPrerouting,
		Priority: &priority,
	})

	drop(conn, rules, p)
	conn.AddRule(&nftables.Rule{
		Table:    table,
		Chain:    chain,
		Exprs:    dnatRule(n.wanDev, p, host, to.Port),
		UserData: comment(n.mark),
	})

	return flush(conn)
}

// drop takes our rules for a port away, and returns how many of ours stay.
func drop(conn *nftables.Conn, rules []natRule, p forward.Port) (left int) {
	for _, r := range rules {
		if r.own() && r.Port == p {
			_ = conn.DelRule(r.rule) // it fails without a handle, and what was read has one
		} else if r.own() {
			left++
		}
	}

	return left
}

func (n *Router) Remove(ctx context.Context, p forward.Port, _ forward.Target) error {
	rules, err := n.rules(ctx)
	if err != nil {
		return err
	}
	if theirs := first(rules, p, n.isForeign); theirs != nil &&
		first(rules, p, natRule.own) == nil {
		return fmt.Errorf("%w: the rule is in table %s, which mailpub does not own",
			forward.ErrConflict, theirs.table())
	}

	return n.withdraw(ctx, rules, p)
}

// withdraw takes our rules for a port away, and the table with the last one.
func (n *Router) withdraw(ctx context.Context, rules []natRule, p forward.Port) error {
	if first(rules, p, natRule.own) == nil {
		return nil
	}

	conn, err := n.dial()
	if err != nil {
		return err
	}

	if drop(conn, rules, p) == 0 && n.ownsTable(ctx, rules) {
		conn.DelTable(&nftables.Table{Name: nftTable, Family: nftables.TableFamilyIPv4})
	}

	return flush(conn)
}

// ownsTable reports whether our table has nothing in it but the rules that were understood.
func (n *Router) ownsTable(ctx context.Context, understood []natRule) bool {
	conn, err := n.dial()
	if err != nil || ctx.Err() != nil {
		return false
	}

	table := &nftables.Table{Name: nftTable, Family: nftables.TableFamilyIPv4}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return false
	}

	ours := 0
	for _, r := range understood {
		if r.own() {
			ours++
		}
	}

	for _, c := range chains {
		if c.Table.Name != nftTable {
			continue
		}
		rules, err := conn.GetRules(table, c)
		if err != nil || c.Name != nftChain || len(rules) > ours {
			return false
		}
	}

	return true
}

// Obstacle says what in this machine keeps a forward from working although it is there. Its
// error says what may keep it, as far as can be told.
func (n *Router) Obstacle(ctx context.Context, p forward.Port, to forward.Target) (string, error) {
	host, err := netip.ParseAddr(to.Host)
	if err != nil {
		return "", err
	}

	conn, err := n.dial()
	if err != nil {
		return "", err
	}

	out, own := gateway.InterfaceOf(host)
	pk := netfilter.Packet{
		In:   n.wanDev,
		Out:  out,
		To:   netip.AddrPortFrom(host, to.Port),
		UDP:  p.Proto == "udp",
		DNAT: true,
	}

	if own {
		return netfilter.Blocked(ctx, conn, nftables.ChainHookInput, pk)
	}
	if on, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); err == nil &&
		strings.TrimSpace(string(on)) == "0" {
		return "this machine forwards no packets (net.ipv4.ip_forward is 0)", nil
	}

	return netfilter.Blocked(ctx, conn, nftables.ChainHookForward, pk)
}

func flush(conn *nftables.Conn) error {
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}
