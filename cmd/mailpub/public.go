package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/resolver"
)

// errPublic means that a public address was to be found out and could not be.
var errPublic = errors.New("the public address can't be found out")

// sighting is what one source says of the site's public address.
type sighting struct {
	source string // "the router", "opendns"
	addr   netip.Addr
	err    error
}

// public is what is known of the public address of one family, where the config says auto.
type public struct {
	ipv6 bool
	seen []sighting
	addr netip.Addr // invalid with err
	err  error
}

func (p public) field() string {
	if p.ipv6 {
		return "server.public.ipv6"
	}
	return "server.public.ipv4"
}

// settle takes the address that all sources that answer agree on. That they do not is never
// settled by a guess; why says what it may mean. An address that no person may write into the
// config is no answer.
func (p *public) settle(why func([]sighting) string) {
	var said []string
	var failed []error
	for i := range p.seen {
		s := &p.seen[i]
		if kind := netaddr.Unreachable(s.addr); s.err == nil && kind != "" {
			s.err = fmt.Errorf("%s says %s, which can't be reached from the Internet: %s", s.source, s.addr, kind)
		}
		switch {
		case s.err != nil:
			failed = append(failed, s.err)
		default:
			if !p.addr.IsValid() {
				p.addr = s.addr
			}
			if s.addr != p.addr {
				p.err = fmt.Errorf("%s is auto, and %w", p.field(), errPublic)
			}
			said = append(said, s.source+" says "+s.addr.String())
		}
	}
	switch {
	case p.err != nil:
		p.addr, p.err = netip.Addr{}, fmt.Errorf("%w: %s: %s", p.err, strings.Join(said, ", "), why(p.seen))
	case !p.addr.IsValid():
		p.err = fmt.Errorf("%s is auto, and %w: %w", p.field(), errPublic, resolver.JoinErrors(failed))
	}
}

// sources says in brackets who knows the address.
func (p public) sources() string {
	var names []string
	for _, s := range p.seen {
		if s.err == nil {
			names = append(names, s.source)
		}
	}
	if len(names) == 1 && names[0] == routerSource {
		return "the router's"
	}
	text := "as " + strings.Join(names, ", ") + " " + map[bool]string{true: "says", false: "say"}[len(names) == 1]
	return text + p.unheard()
}

// unheard names the sources that did not say an address, the router excepted: what it has to say,
// the router's own checks tell.
func (p public) unheard() string {
	var names []string
	for _, s := range p.seen {
		if s.err != nil && s.source != routerSource {
			names = append(names, s.source)
		}
	}
	if names == nil {
		return ""
	}
	return "; no answer from " + strings.Join(names, ", ")
}

const routerSource = "the router"

// explain4 says what it may mean that the router and the outside do not see the same address.
func explain4(seen []sighting) string {
	for _, s := range seen {
		if s.source == routerSource && errors.Is(s.err, nat.ErrDoubleNAT) {
			return "the router stands behind another one"
		}
	}
	if slices.ContainsFunc(seen, func(s sighting) bool { return s.source == routerSource && s.err == nil }) {
		return "this machine goes out another way than through that router (a VPN, a second line), or the router is behind another one that it does not tell of; set the address that mail is to come in at"
	}
	return "this machine goes out by several ways; set the address that mail is to come in at"
}

func explain6([]sighting) string {
	return "the machine has several addresses, or something on the way translates them; set the one that mail is to come in at"
}

// echoes are the DNS services that the config lets mailpub ask.
func (w *world) echoes(ipv6 bool) (list []resolver.Echo) {
	for _, text := range w.cfg.Server.Public.Echo {
		if e, err := resolver.ParseEcho(text); err == nil && e.Asks(ipv6) { // config has checked it
			list = append(list, e)
		}
	}
	return list
}

// outside asks the echo services, all at once.
func (w *world) outside(ctx context.Context, ipv6 bool) []sighting {
	echoes := w.echoes(ipv6)
	seen := make([]sighting, len(echoes))
	var wg sync.WaitGroup
	for i, e := range echoes {
		wg.Go(func() {
			addr, err := w.resolver.Echo(ctx, e, ipv6)
			seen[i] = sighting{e.Name, addr, err}
		})
	}
	wg.Wait()
	for _, s := range w.fromProbe(ctx) {
		if s.err != nil || s.addr.Is6() == ipv6 { // it sees only the family that it was asked by
			seen = append(seen, s)
		}
	}
	return seen
}

// findPublic4 finds out the IPv4 address where the config leaves it open. The router was asked
// before; outside is what others saw meanwhile.
func (w *world) findPublic4(outside []sighting) {
	if w.cfg.Server.Public.IPv4 != "auto" {
		return
	}
	p := public{seen: outside}
	if w.cfg.Router.RouterKind() == mail.RouterProtocol && !w.cfg.Router.BehindNAT {
		err := w.routerErr
		if err == nil {
			err = w.wanErr
		}
		p.seen = append([]sighting{{routerSource, w.wan, err}}, outside...)
		if errors.Is(err, nat.ErrDoubleNAT) { // what the outside sees leads to another router
			p.err = fmt.Errorf("%s is auto, and %w: %w%s", p.field(), errPublic, err, alsoSeen(outside))
		}
	}
	if p.err == nil {
		p.settle(explain4)
	}
	w.public = append(w.public, p)
}

// findPublic6 does the same for IPv6, which no router translates: it is the server's own.
func (w *world) findPublic6(ctx context.Context) {
	if w.cfg.Server.Public.IPv6 != "auto" {
		return
	}
	p := public{ipv6: true, seen: append(own6(w.cfg.Server.Address), w.outside(ctx, true)...)}
	p.settle(explain6)
	w.public = append(w.public, p)
}

func alsoSeen(outside []sighting) string {
	for _, s := range outside {
		if s.err == nil {
			return fmt.Sprintf("; %s sees %s", s.source, s.addr)
		}
	}
	return ""
}

// auto returns the addresses that were found out.
func (w *world) auto() (found []netip.Addr) {
	for _, p := range w.public {
		if p.err == nil {
			found = append(found, p.addr)
		}
	}
	return found
}

// own6 returns the public IPv6 addresses of this machine, which must be the mail server: one of
// its addresses is server.
func own6(server string) (seen []sighting) {
	const source = "this machine"
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return []sighting{{source, netip.Addr{}, err}}
	}
	here := false
	for _, i := range interfaces {
		prefix, err := netip.ParsePrefix(i.String())
		if err != nil {
			continue
		}
		a := prefix.Addr()
		here = here || a.Unmap().String() == server
		if a.Is6() && !a.Is4In6() && a.IsGlobalUnicast() && !a.IsPrivate() {
			seen = append(seen, sighting{source, a, nil})
		}
	}
	switch {
	case !here:
		return []sighting{{source, netip.Addr{}, fmt.Errorf("it is not the mail server: none of its addresses is %s", server)}}
	case seen == nil:
		return []sighting{{source, netip.Addr{}, errors.New("it has no public IPv6 address; set none")}}
	}
	return seen
}

// publicChecks compares what the router and the outside say of the public address. Without
// anybody outside to ask there is nothing to compare.
func (w *world) publicChecks() []plan.Checker {
	if len(w.cfg.Server.Public.Echo) == 0 || w.cfg.Server.Public.IPv4 != "auto" && !w.wan.IsValid() {
		return nil
	}
	return []plan.Checker{{Area: "router", IDs: []string{"router.address"}, Run: func(ctx context.Context) []plan.Check {
		c := plan.Check{ID: "router.address", Subject: "as seen from outside", Status: plan.Pass, Ref: "RFC 6269 section 13"}
		p := public{seen: append([]sighting{{routerSource, w.wan, w.wanErr}}, w.outside(ctx, false)...)}
		c.Want = "all the same"
		p.settle(explain4)
		var said, failed []string
		for _, s := range p.seen {
			if s.err == nil {
				said = append(said, s.source+": "+s.addr.String())
			} else {
				failed = append(failed, s.err.Error())
			}
		}
		c.Got = strings.Join(said, ", ")
		switch {
		case len(said) < 2:
			c.Status = plan.Skip
			c.Got = "only one source answers: " + strings.Join(append(said, failed...), "; ")
			c.Hint = "see that the echo services in server.public.echo can be asked from here, by UDP port 53"
		case p.err != nil:
			c.Status, c.Hint = plan.Fail, explain4(p.seen)
		}
		return []plan.Check{c}
	}}}
}
