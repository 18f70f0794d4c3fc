package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// igdType begins the search target of a router, which ends in its version.
const igdType = "urn:schemas-upnp-org:device:InternetGatewayDevice:"

// rootDevice is the search target of every device, of which routers answer some that do not
// answer to their own.
const rootDevice = "upnp:rootdevice"

// everything is the search target of all devices and services. It is sent to the gateway alone.
const everything = "ssdp:all"

// gatewayType is the type of a router, in whichever name space.
var gatewayType = lazy.Regexp(`(?i):device:InternetGatewayDevice:[0-9]+$`)

const ssdpPort = 1900

// searchTargets are what is searched for: some routers answer only to the device, some only to a
// service, some only to the root device, and some only to the question for everything.
func searchTargets(alone bool) []string {
	all := []string{
		igdType + "1", igdType + "2",
		"urn:schemas-upnp-org:service:WANIPConnection:1",
		"urn:schemas-upnp-org:service:WANPPPConnection:1",
		rootDevice,
	}

	if alone {
		all = append(all, everything)
	}

	return all
}

// request is a search (UPnP Device Architecture 1.1, section 1.3.2). MX is the longest
// that a device may take for its answer, in seconds, and 1 the least there is.
func request(target string) []byte {
	return fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: %s\r\n\r\n", target)
}

// search asks for routers and hands the location of each one's description to found,
// from several goroutines, as soon as it answers, until ctx is done. Each is handed on
// once, and what answered and is none to passed. It asks the group on every network interface
// and the gateway alone: a firewall on this host lets in the answers to that, and drops those to
// the group, which come from another address than was asked. It fails when nothing could be
// sent at all.
func (o Options) search(ctx context.Context, found func(*url.URL), passed func(error)) error {
	if err := egress.Refuse(ctx, "a search for routers"); err != nil {
		return err
	}

	sockets, err := o.sockets()
	if err != nil {
		return err
	}

	gateway, _, noGateway := o.gateway()
	places := []*net.UDPAddr{net.UDPAddrFromAddrPort(netip.MustParseAddrPort("239.255.255.250:1900"))}
	switch {
	case o.Search.IsValid():
		places[0] = net.UDPAddrFromAddrPort(o.Search)
	case noGateway == nil:
		places = append([]*net.UDPAddr{net.UDPAddrFromAddrPort(netip.AddrPortFrom(gateway,
			ssdpPort))}, places...)
	}

	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	defer all.Wait()

	for _, s := range sockets {
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		defer s.Close()

		all.Go(func() {
			listen(s, gateway, passed, func(u *url.URL) {
				mu.Lock()
				again := seen[u.String()] || len(seen) == 16 // more is no home network
				seen[u.String()] = true
				mu.Unlock()

				if !again {
					all.Go(func() {
						found(u)
					}) // one that stalls must not hold up the others
				}
			})
		})
	}

	// Datagrams get lost, and a router may be busy.
	for _, pause := range []time.Duration{0, 250 * time.Millisecond, 600 * time.Millisecond,
		1500 * time.Millisecond} {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}

		sent := false
		for _, to := range places {
			for _, s := range sockets {
				for _, target := range searchTargets(!to.IP.IsMulticast()) {
					_, e := s.WriteTo(request(target), to)
					sent = sent || e == nil
					err = errors.Join(err, e)
				}
			}
		}

		if !sent && pause == 0 && ctx.Err() == nil {
			return fmt.Errorf("search: %w", err)
		}
	}

	<-ctx.Done()
	return nil
}

// sockets opens one socket for each network interface to search on. One that fails is
// left out.
func (o Options) sockets() ([]*net.UDPConn, error) {
	if o.Search.IsValid() && !o.Search.Addr().IsMulticast() {
		s, err := net.ListenUDP("udp4", nil)
		return []*net.UDPConn{s}, err
	}

	all, err := o.multicast()
	if err != nil {
		return nil, err
	}

	var sockets []*net.UDPConn
	for _, i := range all {
		s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: i.addr.AsSlice()})
		if err != nil {
			o.Logger.Debug("no search on interface", "interface", i.Name, "error", err)
			continue
		}

		if err := ipv4.NewPacketConn(s).SetMulticastInterface(&i.Interface); err != nil {
			o.Logger.Debug("no multicast on interface", "interface", i.Name, "error", err)
		}

		sockets = append(sockets, s)
	}

	if len(sockets) == 0 {
		return nil, errors.New("no network interface to search on")
	}

	return sockets, nil
}

// iface is a network interface that has multicast, and its IPv4 address.
type iface struct {
	net.Interface
	addr netip.Addr
}

// multicast returns the cards on which routers may be, at least one.
func (o Options) multicast() (cards []iface, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}

	for _, i := range all {
		if o.Interface != "" && i.Name != o.Interface || i.Flags&net.FlagUp == 0 ||
			i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if nets, err := gateway.Networks4(i.Name); err == nil && len(nets) > 0 {
			cards = append(cards, iface{i, nets[0].Addr()})
		}
	}

	switch {
	case len(cards) > 0:
		return cards, nil
	case o.Interface != "":
		return nil, fmt.Errorf("network interface %q can't be searched: it is not there, not up, or has no IPv4 address",
			o.Interface)
	}

	return nil, errors.New("no network interface to search on")
}

// listen hands on the answers that come to a socket until it is closed.
func listen(s *net.UDPConn, gateway netip.Addr, passed func(error), found func(*url.URL)) {
	receiveAll(s, func(b []byte, from netip.Addr) {
		u, err := parseAnswer(b, from, gateway)
		switch {
		case err == nil:
			found(u)
		case from == gateway || !errors.Is(err, errOtherDevice):
			passed(fmt.Errorf("%s: %w", from, err))
		}
	})
}

// receiveAll hands on the datagrams that come to a socket until it is closed.
func receiveAll(s *net.UDPConn, take func(datagram []byte, from netip.Addr)) {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as an ICMP error for what was sent before
		}

		take(buf[:n], from.Addr().Unmap())
	}
}

// probeSSDP sends a search to the gateway alone. What comes from the channel is nil, or an error
// that says for sure that nobody listens to searches there: it answers that the port is
// closed (ICMP). That it answers nothing says nothing.
func (o Options) probeSSDP(ctx context.Context) <-chan error {
	verdict := make(chan error, 1)
	gateway, which, err := o.gateway()
	if err != nil || o.Search.IsValid() {
		return verdict
	}

	go func() {
		c, err := egress.Dialer().DialContext(ctx, "udp4", netip.AddrPortFrom(gateway, ssdpPort).String())

		if err != nil {
			return
		}

		defer c.Close()

		stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
		defer stop()

		if _, err = c.Write(request(igdType + "1")); err == nil {
			_, err = c.Read(make([]byte, 1))
		}

		if sockerr.Refused(err) {
			verdict <- fmt.Errorf("%s %s has no listener for searches", which, gateway)
		}
	}()

	return verdict
}

// parseAnswer returns the location that an answer to a search names, on the host that
// answers: that of another could send us anywhere. So one that names another address, as
// routers do that give one of their others, is taken with its path and port alone. An answer for a
// root device, which everything may be, counts from the gateway only.
func parseAnswer(datagram []byte, from, gateway netip.Addr) (*url.URL, error) {
	status, header := parseHeader(datagram)
	target := header["st"]
	service := gatewayType().MatchString(target) || connectionType().MatchString(target)
	general := strings.EqualFold(target, rootDevice) || strings.EqualFold(target, everything)

	if status != http.StatusOK || !service && !(from == gateway && general) {
		return nil, fmt.Errorf("%w: status %d, ST %q", errOtherDevice, status,
			forward.Printable(target, 60))
	}

	return parseLocation(header["location"], from, gateway)
}

// errOtherDevice: something else answered a search.
var errOtherDevice = errors.New("not a router's answer")

// parseHeader reads an answer to a search leniently: lines that are none are passed over, and
// the empty one at the end may be missing.
func parseHeader(datagram []byte) (status int, header map[string]string) {
	header = map[string]string{}
	first, rest, _ := strings.Cut(string(datagram), "\n")
	if f := strings.Fields(first); len(f) >= 2 &&
		strings.HasPrefix(strings.ToUpper(f[0]), "HTTP/") {
		status, _ = strconv.Atoi(f[1])
	}

	for _, line := range strings.Split(rest, "\n") {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r"), ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := header[name]; ok && !twice {
			header[name] = strings.TrimSpace(value)
		}
	}

	return status, header
}

// parseLocation makes of a location one on the host that answers, or on the gateway where it
// names that.
func parseLocation(s string, from, gateway netip.Addr) (*url.URL, error) {
	if s != "" && !strings.Contains(s, "://") {
		s = "http://" + strings.TrimLeft(s, "/") // some leave that out
	}

	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("location %q: %w", forward.Printable(s, 100), err)
	}
	if u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("location %q: want one that begins with http://",
			forward.Printable(s, 100))
	}

	if host, err := netip.ParseAddr(u.Hostname()); err != nil ||
		host != from && host != gateway {
		port := u.Port()
		u.Host = from.String()
		if port != "" {
			u.Host = hostPort(from.String(), port)
		}
	}

	return u, nil
}
