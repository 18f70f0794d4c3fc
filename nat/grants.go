package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// grants is the account of what a router granted that can't list what it maps: a mapping
// is there while its grant lasts and the router has not lost its state. It is what NAT-PMP
// and PCP have in common.
type grants struct {
	protocol string
	gateway  netip.Addr
	local    netip.Addr // of this machine, as the router sees it
	earlier  func(plan.Key) (plan.Grant, bool)
	made     map[forward.Port]plan.Grant // of this process; the zero Grant: removed
	now      func() time.Time
}

func newGrants(protocol string, gateway, local netip.Addr, o Options) grants {
	return grants{protocol, gateway, local, o.Known, map[forward.Port]plan.Grant{}, o.Now}
}

// may says why a router that maps ports only to the host that asks can't lead to a target.
func (g *grants) may(to forward.Target) error {
	if to.Host != g.local.String() {
		return fmt.Errorf("%w: %s can't map to %s, as this is %s: run mailpub on %s itself", ErrOtherHost, g.protocol, to.Host, g.local, to.Host)
	}
	if to.Disabled {
		return fmt.Errorf("%s knows no disabled mappings", g.protocol)
	}
	return nil
}

// put writes down a grant. Its note needs no protocol, target and gateway.
func (g *grants) put(q forward.Port, to forward.Target, lifetime time.Duration, n note) {
	n.protocol, n.to, n.gateway = g.protocol, to, g.gateway
	g.made[q] = plan.Grant{Lifetime: lifetime, At: g.now(), State: n.String()}
}

// drop writes down that a mapping was given back.
func (g *grants) drop(q forward.Port) { g.made[q] = plan.Grant{} }

// granted returns what this router granted for a port, whether or not it lasts.
func (g *grants) granted(q forward.Port) (plan.Grant, note, bool) {
	got, ok := g.made[q]
	if !ok {
		got, ok = g.earlier(q.Key())
	}
	n, good := parseNote(got.State)
	return got, n, ok && good && n.protocol == g.protocol && n.gateway == g.gateway
}

// live returns the grant of a port while it lasts.
func (g *grants) live(q forward.Port, epoch uint32) (plan.Grant, note, bool) {
	got, n, ok := g.granted(q)
	now := g.now()
	lost := rebooted
	if g.protocol == "pcp" {
		lost = epochInvalid
	}
	if !ok || !now.Before(got.Expires()) || lost(n.epoch, epoch, now.Sub(got.At)) {
		return plan.Grant{}, note{}, false
	}
	return got, n, true
}

// list returns what is mapped of some ports, by the epoch that the router tells, or by why
// it tells none.
func (g *grants) list(ports []forward.Port, epoch uint32, err error) (found []forward.Mapping, _ error) {
	var no *refusal
	refused := errors.As(err, &no) // it answers, but tells no epoch
	if err != nil && !refused {
		return nil, err
	}
	for _, q := range ports {
		if refused {
			found = append(found, forward.Mapping{Port: q, Unread: err})
		} else if got, n, ok := g.live(q, epoch); ok {
			found = append(found, forward.Mapping{Port: q, To: n.to, Grant: got})
		}
	}
	return found, nil
}

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
	server, client := float64(now)-float64(then), elapsed.Seconds()
	return server < -1 || client+2 < server-server/16 || server+2 < client-client/16
}
