package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/mailpub/mailpub/plan/egress"
)

// Listener hears what a router announces by itself: by SSDP that it comes and goes, by
// NAT-PMP and PCP that it restarted or has another address. Many routers announce
// nothing, and datagrams get lost: it makes a look at the router come sooner, and replaces
// none. It sends nothing.
type Listener struct {
	Router    netip.Addr // whose announcements count; default: who speaks first
	Address   netip.Addr // its address outside, as last known; not valid: not known
	Interface string     // default: every one that has multicast

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards

	// Where announcements and notices come to; default 224.0.0.1:5350 (RFC 6886 section
	// 3.2.1, RFC 6887 section 14.1.1) and 239.255.255.250:1900.
	Announcements, Notices netip.AddrPort
}

// Run listens until ctx is done and calls report for each event, one at a time. It returns
// nil then, and an error when it can't listen at all: of two ports one is enough. No
// goroutine of it is left.
func (l Listener) Run(ctx context.Context, report func(Event)) error {
	if err := egress.Refuse(ctx, "listening to routers"); err != nil {
		return err
	}

	if l.Now == nil {
		l.Now = time.Now
	}

	if l.Logger == nil {
		l.Logger = slog.New(slog.DiscardHandler)
	}

	o := newObserver(l.Router.Unmap(), l.Address.Unmap(), l.Now)
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	open := 0

	for _, port := range []struct {
		at   netip.AddrPort
		take func([]byte, netip.Addr) []Event
	}{
		{cmp.Or(l.Announcements, netip.MustParseAddrPort("224.0.0.1:5350")), o.announcement},
		{cmp.Or(l.Notices, netip.MustParseAddrPort("239.255.255.250:1900")), o.notify},
	} {
		s, err := l.socket(port.at)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("listening at %s: %w", port.at, err))
			continue
		}

		open++
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()

		all.Go(func() {
			receiveAll(s, func(b []byte, from netip.Addr) {
				mu.Lock()
				defer mu.Unlock()

				for _, e := range port.take(b, from) {
					l.Logger.Info("router", "event", e.What, "protocol", e.Protocol, "router",
						e.Router, "why", e.Why)
					if ctx.Err() == nil {
						report(e)
					}
				}
			})
		})
	}

	if open == 0 {
		return failed
	}

	if failed != nil {
		l.Logger.Warn("only some announcements of routers can be received", "error", failed)
	}

	all.Wait()
	return nil
}

// socket listens at an address, and to a group on every network interface. Others may listen
// there too.
func (l Listener) socket(at netip.AddrPort) (*net.UDPConn, error) {
	to := net.UDPAddrFromAddrPort(at)
	if !at.Addr().IsMulticast() {
		return net.ListenUDP("udp4", to)
	}

	all, err := Options{Selection: Selection{Interface: l.Interface}}.multicast()
	if err != nil {
		return nil, err
	}

	s, err := net.ListenMulticastUDP("udp4", &all[0].Interface, to)
	if err != nil {
		return nil, err
	}

	for _, i := range all[1:] {
		if err := ipv4.NewPacketConn(s).JoinGroup(&i.Interface,
			&net.UDPAddr{IP: to.IP}); err != nil {
			l.Logger.Debug("no announcements on interface", "interface", i.Name, "error", err)
		}
	}

	return s, nil
}
