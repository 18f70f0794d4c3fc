package nat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
)

// connection is the service of an Internet gateway device that maps ports: what
// WANIPConnection 1 and 2 and WANPPPConnection 1 have in common.
type connection interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, external uint16, proto string, internal uint16, client string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, external uint16, proto string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remoteHost string, external uint16, proto string) (internal uint16, client string, enabled bool, description string, lease uint32, err error)
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetStatusInfoCtx(ctx context.Context) (status, lastError string, uptime uint32, err error)
	GetServiceClient() *goupnp.ServiceClient
}

// upnp is a router spoken to by UPnP.
type upnp struct {
	connection
	name     string   // what the device calls itself
	service  string   // "WANIPConnection:2"
	location *url.URL // of its description
	root     *goupnp.RootDevice
	udn      string     // its unique name
	local    netip.Addr // of this machine, as the router sees it
	mark     string
	timeout  time.Duration // for each request
	now      func() time.Time
}

func (u *upnp) Protocol() string { return "upnp" }

func (u *upnp) String() string { return fmt.Sprintf("router %q at %s", u.name, u.location) }

func (u *upnp) host() netip.Addr {
	a, _ := netip.ParseAddr(u.location.Hostname())
	return a
}

// describe fetches a device description and makes a upnp of the first connection in
// it that is up. Nothing outside the host of location is ever spoken to.
func describe(ctx context.Context, location *url.URL, client *http.Client, o Options) (*upnp, error) {
	root, err := fetchDescription(ctx, location, client, o.Timeout)
	if err != nil {
		return nil, fmt.Errorf("description at %s: %w", location, err)
	}
	all := connections(root, location)
	if len(all) == 0 {
		return nil, fmt.Errorf("description at %s: no WANIPConnection or WANPPPConnection in it", location)
	}
	u := &upnp{
		name: forward.Printable(root.Device.FriendlyName, 60), location: location, root: root, udn: root.Device.UDN,
		mark: forward.Mark(o.Site), timeout: o.Timeout, now: o.Now, local: gateway.SourceAddr(location.Hostname()),
	}
	for _, c := range all {
		s := c.GetServiceClient()
		if to := s.Service.ControlURL.URL; to.Hostname() != location.Hostname() || to.Scheme != "http" {
			return nil, fmt.Errorf("description at %s: it wants to be controlled at %q, another host", location, to.String())
		}
		s.SOAPClient.HTTPClient = *client
	}
	u.connection = firstUp(ctx, all, o.Timeout)
	_, u.service, _ = strings.Cut(u.GetServiceClient().Service.ServiceType, ":service:")
	return u, nil
}

// connections returns the services that map ports, the newest version first: an IGD 2
// shows no version 1, an old one no version 2, and a router that dials in itself may
// have WANPPPConnection alone.
func connections(root *goupnp.RootDevice, location *url.URL) (all []connection) {
	two, _ := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, location)
	for _, c := range two {
		all = append(all, c)
	}
	one, _ := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, location)
	for _, c := range one {
		all = append(all, c)
	}
	ppp, _ := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, location)
	for _, c := range ppp {
		all = append(all, c)
	}
	return all
}

func firstUp(ctx context.Context, all []connection, timeout time.Duration) connection {
	if len(all) == 1 {
		return all[0]
	}
	for _, c := range all {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		status, _, _, err := c.GetStatusInfoCtx(ctx)
		cancel()
		if err == nil && strings.EqualFold(status, "Connected") {
			return c
		}
	}
	return all[0]
}

// call makes one request under its own deadline. Its errors are a *refusal, where the
// router says no, or wrap errNoAnswer.
func (u *upnp) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, u.timeout, fmt.Errorf("nothing within %v", u.timeout))
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) {
		e := fault.Detail.UPnPError
		return &refusal{e.Errorcode, forward.Printable(e.ErrorDescription, 80)}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errNoAnswer, err)
}

func (u *upnp) WAN(ctx context.Context) (a netip.Addr, err error) {
	var text string
	err = u.call(ctx, func(ctx context.Context) (err error) {
		text, err = u.GetExternalIPAddressCtx(ctx)
		return err
	})
	if text = strings.TrimSpace(text); err != nil || text == "" {
		return netip.Addr{}, err
	}
	if a, err = netip.ParseAddr(text); err != nil {
		return a, fmt.Errorf("%q is no address", forward.Printable(text, 60))
	}
	return a.Unmap(), nil
}

func (u *upnp) Read(ctx context.Context, ports []forward.Port) (found []forward.Mapping, err error) {
	var silent error // once the router has fallen silent it is not asked again
	answered := false
	for _, p := range ports {
		var m *forward.Mapping
		if err = silent; err == nil {
			m, err = u.entry(ctx, p)
		}
		switch {
		case err == nil && m == nil:
			answered = true
		case err == nil:
			answered = true
			found = append(found, *m)
		default:
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if errors.Is(err, errNoAnswer) {
				silent = err
			} else {
				answered = true
			}
			found = append(found, forward.Mapping{Port: p, Unread: err})
		}
	}
	if silent != nil && !answered {
		return nil, silent
	}
	return found, nil
}

// entry looks up one port; nil when it is not mapped.
func (u *upnp) entry(ctx context.Context, p forward.Port) (*forward.Mapping, error) {
	m := &forward.Mapping{Port: p}
	err := u.call(ctx, func(ctx context.Context) error {
		internal, client, enabled, description, left, err := u.GetSpecificPortMappingEntryCtx(ctx, "", p.Number, strings.ToUpper(p.Proto))
		m.To = forward.Target{Host: strings.TrimSpace(forward.Printable(client, 60)), Port: internal, Disabled: !enabled}
		m.Description = description
		m.Grant = plan.Grant{Lifetime: time.Duration(left) * time.Second, At: u.now(), State: u.Protocol()}
		return err
	})
	var no *refusal
	if errors.As(err, &no) && (no.code == codeNoSuchEntry || no.code == codeIndexInvalid) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (u *upnp) Add(ctx context.Context, p forward.Port, to forward.Target, lease time.Duration) error {
	put := func(lease time.Duration) error {
		return u.call(ctx, func(ctx context.Context) error {
			return u.AddPortMappingCtx(ctx, "", p.Number, strings.ToUpper(p.Proto), to.Port, to.Host, !to.Disabled, u.mark, seconds(lease))
		})
	}
	err := put(lease)
	var no *refusal
	if !errors.As(err, &no) {
		return err
	}
	if lease != 0 && (no.code == codePermanentOnly || no.code == codeInvalidArgs) {
		// Older routers know permanent mappings only, and not all of them the right
		// word for it (WANIPConnection:1, AddPortMapping).
		if err := put(0); err == nil || errors.Is(err, errNoAnswer) {
			return err
		}
	}
	return u.explain(ctx, p, to, no)
}

func (u *upnp) Remove(ctx context.Context, p forward.Port, was forward.Target) error {
	err := u.call(ctx, func(ctx context.Context) error {
		return u.DeletePortMappingCtx(ctx, "", p.Number, strings.ToUpper(p.Proto))
	})
	var no *refusal
	switch {
	case !errors.As(err, &no):
		return err
	case no.code == codeNoSuchEntry:
		return nil
	case no.code == codeNotAuthorized && u.local.IsValid() && was.Host != u.local.String():
		return fmt.Errorf("%w: the mapping belongs to %s, and this is %s: %w", ErrOtherHost, was.Host, u.local, no)
	}
	return no
}

// seconds rounds up, so that a lease is never shorter than asked for, nor for ever.
func seconds(d time.Duration) uint32 {
	return uint32(min((max(d, 0)+time.Second-1)/time.Second, math.MaxUint32))
}
