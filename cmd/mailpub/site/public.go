package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/resolver"
)

// ErrPublicAddress means that a public address was to be found out and could not be.
var ErrPublicAddress = errors.New("the public address is unknown")

// addressSource is what one source says of the site's public address.
type addressSource struct {
	name string // "the router", "opendns"
	addr netip.Addr
	err  error
}

// publicAddress is what is known of the public address of one family, where the config says auto.
type publicAddress struct {
	ipv6 bool
	seen []addressSource
	addr netip.Addr // invalid with err
	err  error
}

func (p publicAddress) field() string {
	if p.ipv6 {
		return "server.public.ipv6"
	}
	return "server.public.ipv4"
}

// agree takes the address that all sources that answer agree on. That they do not is never
// settled by a guess; why says what it may mean. An address that no person may write into the
// config is no answer.
func (p *publicAddress) agree(why func([]addressSource) string) {
	var said []string
	var failed []error
	for i := range p.seen {
		s := &p.seen[i]
		if kind := netaddr.Unreachable(s.addr); s.err == nil && kind != "" {
			s.err = fmt.Errorf("%s reports %s, which is not reachable from the Internet: %s",
				s.name, s.addr, kind)
		}

		switch {
		case s.err != nil:
			failed = append(failed, s.err)
		default:
			if !p.addr.IsValid() {
				p.addr = s.addr
			}
			if s.addr != p.addr {
				p.err = fmt.Errorf("%s is auto, and %w", p.field(), ErrPublicAddress)
			}
			said = append(said, s.name+" says "+s.addr.String())
		}
	}

	switch {
	case p.err != nil:
		p.addr, p.err = netip.Addr{}, fmt.Errorf("%w: %s: %s", p.err, strings.Join(said, ", "),
			why(p.seen))
	case !p.addr.IsValid():
		p.err = fmt.Errorf("%s is auto, and %w: %w", p.field(), ErrPublicAddress,
			resolver.JoinErrors(failed))
	}
}

// sources says in brackets who knows the address.
func (p publicAddress) sources() string {
	var names []string
	for _, s := range p.seen {
		if s.err == nil {
			names = append(names, s.name)
		}
	}

	if len(names) == 1 && names[0] == routerSource {
		return "the router's"
	}

	text := "as " + strings.Join(names, ", ") + " " +
		map[bool]string{true: "says", false: "say"}[len(names) == 1]

	return text + p.unanswered()
}

// unanswered names the sources that did not say an address, the router excepted: what it has to say,
// the router's own checks tell.
func (p publicAddress) unanswered() string {
	var names []string
	for _, s := range p.seen {
		if s.err != nil && s.name != routerSource {
			names = append(names, s.name)
		}
	}

	if names == nil {
		return ""
	}

	return "; no answer from " + strings.Join(names, ", ")
}

const routerSource = "the router"

// explainIPv4 says what it may mean that the router and the outside do not see the same address.
func explainIPv4(seen []addressSource) string {
	for _, s := range seen {
		if s.name == routerSource && errors.Is(s.err, nat.ErrDoubleNAT) {
			return "the router is behind another one"
		}
	}

	if slices.ContainsFunc(seen, func(s addressSource) bool {
		return s.name == routerSource && s.err == nil
	}) {
		return "this machine does not use that router for outgoing connections (a VPN, a second line), or the router is behind another router; set the address for incoming mail"
	}

	return "this machine has several outgoing connections; set the address for incoming mail"
}

func explainIPv6([]addressSource) string {
	return "the machine has several addresses, or a device on the path translates them; set the address for incoming mail"
}

// addressFinder finds out the public addresses that the config leaves open.
type addressFinder struct {
	cfg      *config.Config
	resolver *resolver.Resolver
	probe    *probe.Client // nil: it is not asked
}

// echoes are the DNS services that the config lets mailpub ask.
func (f addressFinder) echoes(ipv6 bool) (list []resolver.Echo) {
	for _, text := range f.cfg.Server.Public.Echo {
		if e, err := resolver.ParseEcho(text); err == nil && e.Asks(ipv6) { // config has checked it
			list = append(list, e)
		}
	}
	return list
}

// openRouterAndAddresses asks the echo services, all at once, and the probe.
func (f addressFinder) openRouterAndAddresses(ctx context.Context, ipv6 bool) []addressSource {
	echoes := f.echoes(ipv6)
	seen := make([]addressSource, len(echoes))
	var wg sync.WaitGroup

	for i, e := range echoes {
		wg.Go(func() {
			addr, err := f.resolver.Echo(ctx, e, ipv6)
			seen[i] = addressSource{e.Name, addr, err}
		})
	}

	wg.Wait()

	if f.probe == nil {
		return seen
	}

	answer, err := askProbe(ctx, f.probe, probe.Request{})
	if err != nil || answer.Seen.Is6() == ipv6 { // it sees only the family that it was asked by
		seen = append(seen, addressSource{probeSource, answer.Seen, err})
	}

	return seen
}

// ipv4 finds out the IPv4 address where the config leaves it open, nil where it does not. The
// router was asked before; outside is what others saw meanwhile.
func (f addressFinder) ipv4(r router, outside []addressSource) []publicAddress {
	if f.cfg.Server.Public.IPv4 != auto {
		return nil
	}

	p := publicAddress{seen: outside}
	if f.cfg.Router.RouterKind() == mail.RouterProtocol && !f.cfg.Router.BehindNAT {
		err := r.err
		if err == nil {
			err = r.wanErr
		}

		p.seen = append([]addressSource{{routerSource, r.wan, err}}, outside...)
		if errors.Is(err, nat.ErrDoubleNAT) { // what the outside sees leads to another router
			p.err = fmt.Errorf("%s is auto, and %w: %w%s", p.field(), ErrPublicAddress, err,
				otherAddresses(outside))
		}
	}

	if p.err == nil {
		p.agree(explainIPv4)
	}

	return []publicAddress{p}
}

// ipv6 does the same for IPv6, which no router translates: it is the server's own.
func (f addressFinder) ipv6(ctx context.Context) []publicAddress {
	if f.cfg.Server.Public.IPv6 != auto {
		return nil
	}

	p := publicAddress{
		ipv6: true,
		seen: append(localIPv6(f.cfg.Server.Address), f.openRouterAndAddresses(ctx, true)...),
	}

	p.agree(explainIPv6)
	return []publicAddress{p}
}

// auto is what the config says where an address is to be found out.
const auto = "auto"

// foundAddresses returns the addresses that were found out.
func foundAddresses(public []publicAddress) (addrs []netip.Addr) {
	for _, p := range public {
		if p.err == nil {
			addrs = append(addrs, p.addr)
		}
	}
	return addrs
}

func otherAddresses(outside []addressSource) string {
	for _, s := range outside {
		if s.err == nil {
			return fmt.Sprintf("; %s sees %s", s.name, s.addr)
		}
	}
	return ""
}

// localIPv6 returns the public IPv6 addresses of this machine, which must be the mail server: one of
// its addresses is server.
func localIPv6(server string) (seen []addressSource) {
	const source = "this machine"
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return []addressSource{{source, netip.Addr{}, err}}
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
			seen = append(seen, addressSource{source, a, nil})
		}
	}

	switch {
	case !here:
		return []addressSource{{source, netip.Addr{}, fmt.Errorf("this machine is not the mail server: none of its addresses is %s", server)}}
	case seen == nil:
		return []addressSource{{source, netip.Addr{}, errors.New("it has no public IPv6 address; set none")}}
	}

	return seen
}
