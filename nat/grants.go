package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// leaseTable is the account of what a router granted that can't list what it maps: a mapping
// is there while its grant lasts and the router has not lost its state. It is what NAT-PMP
// and PCP have in common.
type leaseTable struct {
	protocol string
	gateway  netip.Addr
	local    netip.Addr // of this machine, as the router sees it
	earlier  func(plan.Key) (plan.Grant, bool)
	made     map[forward.Port]plan.Grant // of this process; the zero Grant: removed
	prepared map[forward.Port]grantState // what is about to be asked for
	router   *routerEpoch
	now      func() time.Time
}

func newLeaseTable(protocol string, gateway, local netip.Addr, o Options) leaseTable {
	return leaseTable{
		protocol: protocol,
		gateway:  gateway,
		local:    local,
		earlier:  o.Known,
		made:     map[forward.Port]plan.Grant{},
		prepared: map[forward.Port]grantState{},
		router:   new(routerEpoch),
		now:      o.Now,
	}
}

// checkTarget says why a router that maps ports only to the host that asks can't lead to a target.
func (g *leaseTable) checkTarget(to forward.Target) error {
	if to.Host != g.local.String() {
		return fmt.Errorf("%w: %s can't map to %s, as this is %s: run mailpub on %s itself",
			ErrOtherHost, g.protocol, to.Host, g.local, to.Host)
	}
	if to.Disabled {
		return fmt.Errorf("%s knows no disabled mappings", g.protocol)
	}

	return nil
}

// writeMapping writes down a grant. Its note needs no protocol, target and gateway.
func (g *leaseTable) writeMapping(q forward.Port, to forward.Target, lifetime time.Duration, n grantState) {
	n.protocol = g.protocol
	n.to = to
	n.gateway = g.gateway
	g.made[q] = plan.Grant{Lifetime: lifetime, At: g.now(), State: n.String()}
}

// drop writes down that a mapping was given back.
func (g *leaseTable) drop(q forward.Port) { g.made[q] = plan.Grant{} }

// granted returns what this router granted for a port, whether or not it lasts.
func (g *leaseTable) granted(q forward.Port) (plan.Grant, grantState, bool) {
	got, ok := g.made[q]
	if !ok {
		got, ok = g.earlier(q.Key())
	}
	n, good := parseNote(got.State)
	return got, n, ok && good && n.protocol == g.protocol && n.gateway == g.gateway
}

// grantOfOtherRouter returns a grant that lasts and that another router made, by the same protocol.
func (g *leaseTable) grantOfOtherRouter(q forward.Port) (plan.Grant, grantState, bool) {
	got, ok := g.made[q]
	if !ok {
		got, ok = g.earlier(q.Key())
	}
	n, good := parseNote(got.State)
	other := ok && good && n.protocol == g.protocol && n.gateway != g.gateway
	return got, n, other && g.now().Before(got.Expires())
}

// prepare makes the grant that a change is about to ask for, for the ledger. What is
// known of the port until then stays what it was for this process.
func (g *leaseTable) prepare(c plan.Change, fill func(*grantState, forward.Port)) *plan.Grant {
	q, to, err := forward.Parse(c.Key, c.After)
	if err != nil {
		return nil
	}

	if _, ok := g.made[q]; !ok {
		before, _ := g.earlier(q.Key())
		g.made[q] = before
	}

	n := grantState{
		protocol: g.protocol,
		to:       to,
		gateway:  g.gateway,
		epoch:    g.router.epoch,
	}

	fill(&n, q)
	g.prepared[q] = n
	lease := c.Lease

	if lease <= 0 {
		lease = pmpLease
	}

	return &plan.Grant{Lifetime: lease, At: g.now(), State: n.String()}
}

// isFromFuture reports whether a grant is dated later than now, as the clock was wrong when it
// was made, or is. Then nothing can be told from its dates.
func (g *leaseTable) isFromFuture(got plan.Grant) bool { return got.At.After(g.now().Add(clockSlack)) }

// clockSlack is by how much clocks are set back without a word.
const clockSlack = 2 * time.Minute

// live returns the grant of a port while it lasts.
func (g *leaseTable) live(q forward.Port, epoch uint32) (plan.Grant, grantState, bool) {
	got, n, ok := g.granted(q)
	now := g.now()
	lost := rebooted

	if g.protocol == "pcp" {
		lost = epochInvalid
	}

	if ok && g.isFromFuture(got) {
		return got, n, true
	}
	if !ok || !now.Before(got.Expires()) || !g.isEpochUseless(n, epoch) &&
		lost(n.epoch, epoch, now.Sub(got.At)) {
		return plan.Grant{}, grantState{}, false
	}

	return got, n, true
}

// list returns what is mapped of some ports, by the epoch that the router tells, or by why
// it tells none.
func (g *leaseTable) list(ports []forward.Port, epoch uint32, err error) (found []forward.Mapping, _ error) {
	var no *refusal
	refused := errors.As(err, &no) // it answers, but tells no epoch
	if err != nil && !refused {
		return nil, err
	}

	if !refused {
		g.router.epoch = epoch
	}

	for _, q := range ports {
		if refused {
			found = append(found, forward.Mapping{Port: q, Unread: err})
			continue
		}

		if got, n, other := g.grantOfOtherRouter(q); other {
			found = append(found, forward.Mapping{
				Port: q,
				Unread: fmt.Errorf("%s granted it but is no longer the gateway, which is now %s: its lease ends in %s",
					n.gateway, g.gateway, plan.FormatDuration(got.Expires().Sub(g.now()))),
				Again: fmt.Sprintf("the gateway is %s now; %s granted it, where it ends by itself in %s",
					g.gateway, n.gateway, plan.FormatDuration(got.Expires().Sub(g.now()))),
			})

			continue
		}

		got, n, ok := g.live(q, epoch)
		if !ok {
			continue
		}

		m := forward.Mapping{
			Port:       q,
			To:         n.to,
			Grant:      got,
			Unverified: true,
		}

		if g.isFromFuture(got) {
			m.Again = fmt.Sprintf("its grant is dated %s, in the future: the clock was wrong, and whether it lasts is unknown",
				got.At.UTC().Format(time.RFC3339))
		}

		found = append(found, m)
	}

	return found, nil
}

// routerEpoch is what a router told of its epoch.
type routerEpoch struct {
	epoch uint32
	still bool // it was seen not to move
	races bool // it was seen to run much faster than time
}

// isEpochUseless reports whether nothing can be told from the epoch, which is wrong.
func (g *leaseTable) isEpochUseless(n grantState, epoch uint32) bool {
	return g.router.still && n.epoch == epoch || g.router.races && epoch >= n.epoch
}

// epochPause is how long an epoch, which counts seconds, is given to move.
const epochPause = 2200 * time.Millisecond

// steady asks for the epoch once more where it is the same as at the time of a grant long ago:
// either the router restarted just as long ago, or its epoch stands still; and where it ran ahead, as
// that of another router does, or one that does not count seconds.
func (g *leaseTable) steady(ctx context.Context, ports []forward.Port, epoch uint32, again func() (uint32, error)) (uint32, error) {
	suspect := slices.ContainsFunc(ports, func(q forward.Port) bool {
		got, n, ok := g.granted(q)
		elapsed := g.now().Sub(got.At)
		ahead := float64(epoch)-float64(n.epoch) > 2*elapsed.Seconds()+10
		return ok && (n.epoch == epoch && elapsed > epochPause*2 || ahead && elapsed >= 0)
	})

	if !suspect || g.router.still || g.router.races {
		return epoch, nil
	}

	select {
	case <-time.After(epochPause):
	case <-ctx.Done():
		return epoch, context.Cause(ctx)
	}

	later, err := again()
	if err != nil {
		return epoch, err
	}

	g.router.still = later == epoch
	g.router.races = float64(later)-float64(epoch) > 4*epochPause.Seconds()
	return later, nil
}

// standsStill reports whether the router's epoch was seen not to move as time does, so that a
// restart of it cannot be noticed.
func (g *leaseTable) standsStill() bool { return g.router.still || g.router.races }

// rebooted reports whether a router's seconds since the start of its epoch tell that
// it lost its state: they run at 7/8 of our clock or faster, less 2 seconds (RFC 6886
// section 3.6).
func rebooted(then, now uint32, elapsed time.Duration) bool {
	expected := float64(then) + elapsed.Seconds()*7/8
	return float64(now)+2 < expected
}

// epochInvalid is the same for PCP, which also takes an epoch that runs ahead for a sign of
// lost state: another router may have taken over (RFC 6887 section 8.5).
func epochInvalid(then, now uint32, elapsed time.Duration) bool {
	server := float64(now) - float64(then)
	client := elapsed.Seconds()
	return server < -1 || client+2 < server-server/16 || server+2 < client-client/16
}
