package nat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
			return nil, "", fmt.Errorf("%q is no URL of a router's description, want one such as %q",
				o.URL, "http://10.10.10.1:5000/rootDesc.xml")
		}

		d, err := describe(ctx, u, client, o)
		if err != nil {
			return nil, "", &noRouter{err}
		}

		return d, "upnp: " + d.service + " at the URL of the config", nil
	}

	return o.findUPnP(ctx, client)
}

// foundRouters are the routers that answered a search.
type foundRouters struct {
	mu     sync.Mutex
	good   []*upnp  // the default gateway's first, of those the best
	bad    []string // why others were of no use
	passed []string // answers that name no router
}

func (a *foundRouters) reject(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.bad, reason) && len(a.bad) < 8 {
		a.bad = append(a.bad, reason)
	}
}

func (a *foundRouters) skip(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.passed, reason) && len(a.passed) < 4 {
		a.passed = append(a.passed, reason)
	}
}

// findUPnP searches. It is over at once when the default gateway answers with a connection
// that is up and has a public address; with another one, other descriptions of it have a while
// left, as some have two and only one of them lives.
func (o Options) findUPnP(ctx context.Context, client *http.Client) (device, string, error) {
	limit := o.timeout(searchTime)
	searching, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	gateway, which, noGateway := o.gateway()
	var found foundRouters
	grace := time.AfterFunc(time.Hour, cancel)
	defer grace.Stop()

	err := o.search(searching, func(location *url.URL) {
		d, err := describe(searching, location, client, o)
		if err != nil {
			if searching.Err() == nil || errors.Is(searching.Err(), context.DeadlineExceeded) {
				found.reject(err.Error())
			}
			return
		}

		isGateway := noGateway == nil && d.host() == gateway
		if !isGateway && o.Gateway.IsValid() {
			found.reject(fmt.Sprintf("%s is not %s %s", d, which, gateway))
			return
		}

		found.mu.Lock()
		defer found.mu.Unlock()

		found.add(d, isGateway, gateway)
		switch {
		case isGateway && d.rank() == 3:
			cancel()
		case isGateway:
			grace.Reset(otherGrace)
		default:
			grace.Reset(otherGrace)
		}
	}, func(err error) { found.skip(err.Error()) })

	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	if err != nil {
		return nil, "", &noRouter{err}
	}

	found.mu.Lock()
	defer found.mu.Unlock()

	return found.choose(gateway, which, limit)
}

// add takes up a router. Of several descriptions of one device the best connection counts, and of
// equal ones the first location by name: the order of answers decides nothing.
func (a *foundRouters) add(d *upnp, isGateway bool, gateway netip.Addr) {
	for i, g := range a.good {
		if !g.isSameDevice(d) && !(isGateway && g.host() == gateway) {
			continue
		}

		if d.rank() > g.rank() || d.rank() == g.rank() &&
			d.location.String() < g.location.String() {
			a.good[i] = d
		}

		return
	}

	if isGateway {
		a.good = slices.Insert(a.good, 0, d)
		return
	}

	a.good = append(a.good, d)
}

func (u *upnp) isSameDevice(o *upnp) bool { return u.udn != "" && u.udn == o.udn }

// choose takes one of the routers that answered. The default gateway, when it is among
// them, stands first. Another one is taken only if it has a public address: a repeater may
// answer as a router, too.
func (a *foundRouters) choose(gateway netip.Addr, which string, limit time.Duration) (device, string, error) {
	good := a.good
	if len(good) == 0 {
		reason := fmt.Sprintf("no answer to a search within %v", limit)
		if len(a.passed) > 0 {
			reason += "; passed over: " + strings.Join(a.passed, "; ")
		}

		if len(a.bad) > 0 {
			reason = strings.Join(a.bad, "; ")
		}

		return nil, "", &noRouter{errors.New(reason)}
	}

	first := good[0]
	if gateway.IsValid() && first.host() == gateway {
		why := fmt.Sprintf("upnp: %s %s answers as %s", which, gateway, first.service)
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
		return nil, "", fmt.Errorf("%w: %s; choose one by router.url or router.interface",
			ErrSeveralRouters, strings.Join(names, " and "))
	}

	why := fmt.Sprintf("upnp: %s on %s answers", first.service, first.host())
	if !gateway.IsValid() {
		return first, why, nil
	}
	if first.rank() != 3 {
		return nil, "", &noRouter{fmt.Errorf("%s answers, which is not %s %s and has no public address: a repeater, perhaps; if it is the router, name it in router.url",
			first, which, gateway)}
	}

	return first, why + fmt.Sprintf("; it is not %s %s, which does not answer, but has the public address %s",
		which, gateway, first.address), nil
}
