package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// openUPnP finds the one router that speaks UPnP: at the URL of the options, or by a
// search, which ends at once when the default gateway answers.
func openUPnP(ctx context.Context, o Options) (device, string, error) {
	client := newClient()
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, "", fmt.Errorf("%q is no URL of a router's description, want one such as %q", o.URL, "http://10.10.10.1:5000/rootDesc.xml")
		}
		d, err := describe(ctx, u, client, o)
		if err != nil {
			return nil, "", &noRouter{err}
		}
		return d, "upnp: " + d.service + " at the URL of the config", nil
	}

	searching, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	gateway, which, noGateway := o.gateway()
	var bad []string // why answers were of no use
	var good []*upnp
	var mu sync.Mutex
	grace := time.AfterFunc(time.Hour, cancel)
	defer grace.Stop()
	err := o.search(searching, func(location *url.URL) {
		d, err := describe(searching, location, client, o)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			if searching.Err() == nil {
				bad = append(bad, err.Error())
			}
		case noGateway == nil && d.host() == gateway:
			good = slices.Insert(good, 0, d)
			cancel()
		case o.Gateway.IsValid():
			bad = append(bad, fmt.Sprintf("%s is not %s %s", d, which, gateway))
		case !slices.ContainsFunc(good, d.same):
			good = append(good, d)
			grace.Reset(otherGrace)
		}
	})
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	if err != nil {
		return nil, "", &noRouter{err}
	}
	return choose(good, bad, gateway, which)
}

func (u *upnp) same(o *upnp) bool { return u.udn != "" && u.udn == o.udn }

// choose takes one of the routers that answered. The default gateway, when it is among
// them, stands first.
func choose(good []*upnp, bad []string, gateway netip.Addr, which string) (device, string, error) {
	if len(good) == 0 {
		reason := fmt.Sprintf("nobody answers a search within %v", searchTime)
		if len(bad) > 0 {
			reason = strings.Join(bad, "; ")
		}
		return nil, "", &noRouter{errors.New(reason)}
	}
	first := good[0]
	why := fmt.Sprintf("upnp: %s on %s answers", first.service, first.host())
	if gateway.IsValid() && first.host() == gateway {
		why = fmt.Sprintf("upnp: %s %s answers as %s", which, gateway, first.service)
		for _, other := range good[1:] {
			why += fmt.Sprintf("; not %s, which is not the default gateway", other)
		}
		return first, why, nil
	}
	if len(good) > 1 {
		var names []string
		for _, d := range good {
			names = append(names, d.String())
		}
		return nil, "", fmt.Errorf("%w: %s; choose one by router.url or router.interface", ErrSeveralRouters, strings.Join(names, " and "))
	}
	return first, why, nil
}
