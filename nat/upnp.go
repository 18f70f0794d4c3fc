package nat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/soap"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// upnp is a router spoken to by UPnP.
type upnp struct {
	*wanLink
	name      string   // what the device calls itself
	location  *url.URL // of its description
	root      *goupnp.RootDevice
	udn       string     // its unique name
	local     netip.Addr // of this machine, as the router sees it
	mark      string
	names     func(plan.Key) string             // of forwards, for their descriptions; nil: their numbers
	known     func(plan.Key) (plan.Grant, bool) // what the ledger has
	timeout   time.Duration                     // for each request that reads
	now       func() time.Time
	leases    map[forward.Port]time.Duration // that were asked for last, and not refused
	disproved map[forward.Port]bool          // whose lease the router was seen to tell wrongly
}

func (u *upnp) Protocol() string { return "upnp" }

func (u *upnp) String() string { return fmt.Sprintf("router %q at %s", u.name, u.location) }

func (u *upnp) host() netip.Addr {
	a, _ := netip.ParseAddr(u.location.Hostname())
	return a
}

// describe fetches a device description and makes a upnp of the best connection in it.
// Nothing outside the host of location is ever spoken to.
func describe(ctx context.Context, location *url.URL, client *http.Client, o Options) (*upnp, error) {
	root, err := fetchDescription(ctx, location, client, o.Timeout)
	if err != nil {
		return nil, sockerr.Plain(fmt.Errorf("description at %s: %w", location, err))
	}

	all := links(root, location, client)
	if len(all) == 0 {
		return nil, fmt.Errorf("description at %s: no WANIPConnection or WANPPPConnection in it",
			location)
	}

	return &upnp{
		wanLink:   bestLink(ctx, all, o.Timeout),
		name:      forward.Printable(root.Device.FriendlyName, 60),
		location:  location,
		root:      root,
		udn:       root.Device.UDN,
		local:     gateway.SourceAddr(location.Hostname()),
		mark:      forward.Mark(o.Site),
		names:     o.Names,
		known:     o.Known,
		timeout:   o.Timeout,
		now:       o.Now,
		leases:    map[forward.Port]time.Duration{},
		disproved: map[forward.Port]bool{},
	}, nil
}

// writePatience is how many times the time of a read a write may take: routers load their
// packet filter anew for each mapping, and some need ten seconds for that.
const writePatience = 3

// call makes one request under its own deadline. Its errors are a *refusal, where the
// router says no, or wrap errNoAnswer.
func (u *upnp) call(ctx context.Context, f func(context.Context) error) error {
	return u.callFor(ctx, u.timeout, f)
}

func (u *upnp) callFor(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("nothing within %v", timeout))

	defer cancel()

	seen := &soapCall{service: u.urn}
	err := f(context.WithValue(ctx, soapKey{}, seen))
	if err == nil {
		return nil
	}

	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) {
		e := fault.Detail.UPnPError
		return &refusal{e.Errorcode, forward.Printable(e.ErrorDescription, 80)}
	}

	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", errTooSlow, context.Cause(ctx))
	case seen.err != nil:
		err = seen.err
	}

	return fmt.Errorf("%w: %w", errNoAnswer, sockerr.Plain(err))
}

// errTooSlow: there was no answer in the time of the request.
var errTooSlow = errors.New("the router is silent")

// retryPauses are the pauses before a request is tried again that was cut off, or a read that was
// answered with something of no use. A router that was silent for the whole time is not asked again.
func retryPauses() []time.Duration {
	return []time.Duration{100 * time.Millisecond, 300 * time.Millisecond}
}

// ask is call for what only reads, which may be asked again.
func (u *upnp) ask(ctx context.Context, f func(context.Context) error) error {
	return retry(ctx, func() error {
		return u.call(ctx, f)
	}, func(error) bool {
		return true
	})
}

// retry makes a request until it is answered, a few times; may says of an error whether it may be
// another one the next time.
func retry(ctx context.Context, request func() error, may func(error) bool) error {
	err := request()
	for _, pause := range retryPauses() {
		if err == nil || !errors.Is(err, errNoAnswer) || errors.Is(err, errTooSlow) ||
			!may(err) {
			return err
		}

		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}

		err = request()
	}

	return err
}

// WAN returns the address that the router tells. The error wraps ErrWANDown where it tells
// none because its connection is down.
func (u *upnp) WAN(ctx context.Context) (a netip.Addr, err error) {
	var text string
	err = u.ask(ctx, func(ctx context.Context) (err error) {
		text, err = u.GetExternalIPAddressCtx(ctx)
		return err
	})

	if err != nil {
		return netip.Addr{}, err
	}

	if text = strings.TrimSpace(text); text != "" {
		if a, err = netip.ParseAddr(text); err != nil {
			return a, fmt.Errorf("%q is no address", forward.Printable(text, 60))
		}
	}

	if a = a.Unmap(); a.IsValid() && !a.IsUnspecified() {
		return a, nil
	}
	if status, down := u.isDown(ctx); down || a.IsValid() {
		return netip.Addr{}, fmt.Errorf("%w: the connection is %q", ErrWANDown, status)
	}

	return netip.Addr{}, nil
}

// isDown reports whether the router says that its connection is not up.
func (u *upnp) isDown(ctx context.Context) (status string, down bool) {
	err := u.ask(ctx, func(ctx context.Context) (err error) {
		status, _, _, err = u.GetStatusInfoCtx(ctx)
		return err
	})
	status = forward.Printable(status, 40)
	return status, err == nil && !isUp(status)
}

// description is what a mapping of ours bears: this site's mark and the forward's name, as
// some routers take a description once only.
func (u *upnp) description(p forward.Port) string {
	name := ""
	if u.names != nil {
		name = u.names(p.Key())
	}

	if name == "" {
		name = fmt.Sprint(p.Number)
		if p.Proto == "udp" {
			name += "u"
		}
	}

	return u.mark + " " + forward.Printable(name, 12)
}
