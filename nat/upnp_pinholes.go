package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
)

// upnpPinholes makes pinholes by UPnP (WANIPv6FirewallControl:1). It lists none: each has a
// number, by which it can be asked for, so that grants has the rest. The numbers begin anew
// when the router restarts, which the uptime of its connection tells, as an epoch would.
type upnpPinholes struct {
	leaseTable
	*upnp
	firewall *internetgateway2.WANIPv6FirewallControl1
	notPCP   error // why it is not PCP
}

// Limits of the standard.
const (
	lowestPinhole  = 1024           // WANIPv6FirewallControl:1 section 2.6.5: below, a person must have signed in
	longestPinhole = 24 * time.Hour // section 2.3.7, LeaseTime
)

func (h *upnpPinholes) Protocol() string { return h.leaseTable.protocol }

// Pinholes finds the service of the router for pinholes. It is asked over IPv6, from the
// server's own address, as routers make pinholes only for who asks.
func (u *upnp) Pinholes(ctx context.Context, o Options) (*upnpPinholes, error) {
	if !gateway.IsLocal(o.IPv6) {
		return nil, fmt.Errorf("%w: run mailpub on %s itself", ErrOtherHost, o.IPv6)
	}

	client := clientFrom(&net.Dialer{
		LocalAddr:      net.TCPAddrFromAddrPort(netip.AddrPortFrom(o.IPv6, 0)),
		ControlContext: egress.Control,
	})
	root, location, err := u.describeOverIPv6(ctx, o, client)
	if err != nil {
		root, location, client = u.root, u.location, newClient() // better than not to ask
	}

	all, _ := internetgateway2.NewWANIPv6FirewallControl1ClientsFromRootDevice(root, location)
	if len(all) == 0 {
		return nil, errors.New("it has no WANIPv6FirewallControl")
	}

	h := &upnpPinholes{
		leaseTable: newLeaseTable("upnp", u.host(), o.IPv6, o),
		upnp:       u,
		firewall:   all[0],
	}

	if to := h.firewall.Service.ControlURL.URL; to.Hostname() != location.Hostname() ||
		to.Scheme != "http" {
		return nil, fmt.Errorf("it wants to be controlled at %q, another host", to.String())
	}

	h.firewall.SOAPClient.HTTPClient = *client
	var on, may bool
	err = u.call(ctx, func(ctx context.Context) (err error) {
		on, may, err = h.firewall.GetFirewallStatusCtx(ctx)
		return err
	})

	if err != nil {
		return nil, fmt.Errorf("its firewall's status: %w", err)
	}
	if on && !may {
		return nil, errors.New("its firewall allows no pinholes")
	}

	return h, nil
}

// describeOverIPv6 fetches the description once more, from the same port of the gateway's IPv6 address.
func (u *upnp) describeOverIPv6(ctx context.Context, o Options, client *http.Client) (*goupnp.RootDevice, *url.URL, error) {
	gateway, _, err := o.gateway6()
	if err != nil {
		return nil, nil, err
	}

	location := *u.location
	location.Host = net.JoinHostPort(gateway.String(), u.location.Port())
	if u.location.Port() == "" {
		location.Host = "[" + gateway.String() + "]"
	}

	root, err := fetchDescription(ctx, &location, client, o.Timeout)
	if err == nil && root.Device.UDN != u.udn {
		err = fmt.Errorf("%s is another device", location.Host)
	}

	return root, &location, err
}

// Blocked says why a port is not to be had.
func (h *upnpPinholes) Blocked(_ context.Context, p forward.Port, _ forward.Target) string {
	if p.Number < lowestPinhole {
		return fmt.Sprintf("no pinholes by pcp: %v; by upnp only for ports from %d", h.notPCP,
			lowestPinhole)
	}
	return ""
}

// epoch is the time that the router's connection has been up, in seconds.
func (h *upnpPinholes) epoch(ctx context.Context) (up uint32, err error) {
	err = h.call(ctx, func(ctx context.Context) (err error) {
		_, _, up, err = h.GetStatusInfoCtx(ctx)
		return err
	})
	return up, err
}

func (h *upnpPinholes) Read(ctx context.Context, ports []forward.Port) ([]forward.Mapping, error) {
	up, err := h.epoch(ctx)
	granted, err := h.list(ports, up, err)
	if err != nil {
		return nil, err
	}

	var found []forward.Mapping
	for _, p := range ports {
		_, _, ours := h.granted(p)
		if why := h.Blocked(ctx, p, forward.Target{}); why != "" && !ours { // somebody may have opened it by hand
			found = append(found, forward.Mapping{Port: p, Unread: errors.New(why)})
		}
	}

	for _, m := range granted {
		_, n, _ := h.granted(m.Port)
		if m.Unread == nil && !n.noID {
			m.Unread = h.call(ctx, func(ctx context.Context) error {
				_, err := h.firewall.GetPinholePacketsCtx(ctx, n.id)
				return err
			})
		}

		var no *refusal
		if errors.As(m.Unread, &no) && no.code == codeNoSuchPinhole {
			continue
		}

		found = append(found, m)
	}

	return found, nil
}

func (h *upnpPinholes) Add(ctx context.Context, q forward.Port, to forward.Target, lease time.Duration) error {
	if err := h.checkTarget(to); err != nil {
		return err
	}

	if lease <= 0 || lease > longestPinhole {
		lease = longestPinhole
	}

	up, err := h.epoch(ctx)
	if err != nil {
		return err
	}

	if _, n, ok := h.live(q, up); ok && n.to == to && !n.noID {
		err = h.call(ctx, func(ctx context.Context) error {
			return h.firewall.UpdatePinholeCtx(ctx, n.id, seconds(lease))
		})
		if err == nil {
			h.writeMapping(q, to, lease, grantState{epoch: up, id: n.id})
			return nil
		}
	}

	id, err := h.open(ctx, q, to, lease)
	var no *refusal
	switch {
	case errors.As(err, &no) && (no.code == codeNotAuthorized || no.code == codePinholesOff):
		return fmt.Errorf("%w: %w", ErrRefused, no)
	case errors.Is(err, errNoAnswer):
		return fmt.Errorf("%w; if it was made all the same, it ends by itself within %v", err,
			lease)
	case err != nil:
		return err
	}

	h.writeMapping(q, to, lease, grantState{epoch: up, id: id})
	return nil
}

// open asks for a pinhole and returns its number.
func (h *upnpPinholes) open(ctx context.Context, q forward.Port, to forward.Target, lease time.Duration) (id uint16, err error) {
	err = h.call(ctx, func(ctx context.Context) (err error) {
		id, err = h.firewall.AddPinholeCtx(ctx, "", 0, to.Host, to.Port,
			uint16(pcpProto(q.Transport())), seconds(lease))
		return err
	})
	return id, err
}

func (h *upnpPinholes) deletePinhole(ctx context.Context, id uint16) error {
	err := h.call(ctx, func(ctx context.Context) error {
		return h.firewall.DeletePinholeCtx(ctx, id)
	})

	var no *refusal
	if errors.As(err, &no) && no.code == codeNoSuchPinhole {
		return nil
	}

	return err
}

func (h *upnpPinholes) Remove(ctx context.Context, q forward.Port, was forward.Target) error {
	_, n, ok := h.granted(q)
	if !ok {
		return nil
	}

	var err error
	if n.noID {
		err = h.removeNumberless(ctx, q, was)
	} else {
		err = h.deletePinhole(ctx, n.id)
	}

	if err == nil {
		h.drop(q)
	}

	return err
}

// removeNumberless takes a pinhole away whose number was never told. A router that gives the same
// pinhole the same number when it is asked for again tells it so; of another one it stays until
// its lease is over.
func (h *upnpPinholes) removeNumberless(ctx context.Context, q forward.Port, to forward.Target) error {
	var ids [2]uint16
	for i := range ids {
		var err error
		if ids[i], err = h.open(ctx, q, to, time.Minute); err != nil {
			return err
		}
	}

	err := h.deletePinhole(ctx, ids[0])
	if ids[1] == ids[0] || err != nil {
		return err
	}
	if err = h.deletePinhole(ctx, ids[1]); err != nil {
		return err
	}

	return errors.New("it may have been opened by a run that ended before the router reported its number, and the router numbers each one separately")
}

// Prepare implements plan.Preparer: the number of a pinhole is not known before it is told.
func (h *upnpPinholes) Prepare(c plan.Change) *plan.Grant {
	return h.prepare(c, func(n *grantState, q forward.Port) {
		if _, made, ok := h.granted(q); ok && made.to == n.to && !made.noID {
			n.id = made.id
			return
		}
		n.noID = true
	})
}
