package nat

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"

	"github.com/mailpub/mailpub/plan/netaddr"
)

// links returns the connections in a description, the newest version first: an IGD 2 shows
// no version 1, an old one no version 2, and a router that dials in itself may have
// WANPPPConnection alone. Each is spoken to at the host of location, whatever the description
// says: nothing outside it is.
func links(root *goupnp.RootDevice, location *url.URL, client *http.Client) (all []*wanLink) {
	for _, s := range services(root) {
		kind := strings.TrimSpace(s.ServiceType)
		parts := connectionType().FindStringSubmatch(kind)
		control := *location
		control.Path = s.ControlURL.URL.Path
		control.RawPath = s.ControlURL.URL.RawPath
		control.RawQuery = s.ControlURL.URL.RawQuery

		if port := s.ControlURL.URL.Port(); port != "" && s.ControlURL.URL.Hostname() != "" {
			control.Host = hostPort(location.Hostname(), port)
		}

		generic := goupnp.ServiceClient{
			SOAPClient: soap.NewSOAPClient(control),
			RootDevice: root,
			Location:   location,
			Service:    s,
		}

		generic.SOAPClient.HTTPClient = *client
		link := &wanLink{service: fmt.Sprintf("WAN%sConnection:%s", strings.ToUpper(parts[1]),
			parts[2])}

		var library string
		switch version, _ := strconv.Atoi(parts[2]); {
		case strings.EqualFold(parts[1], "PPP"):
			link.connection = &internetgateway2.WANPPPConnection1{ServiceClient: generic}
			library = internetgateway2.URN_WANPPPConnection_1
		case version >= 2:
			link.connection = &internetgateway2.WANIPConnection2{ServiceClient: generic}
			library = internetgateway2.URN_WANIPConnection_2
		default:
			link.connection = &internetgateway2.WANIPConnection1{ServiceClient: generic}
			library = internetgateway2.URN_WANIPConnection_1
		}

		if kind != library {
			link.urn = kind
		}

		all = append(all, link)
	}

	slices.SortStableFunc(all, func(a, b *wanLink) int {
		return b.preference() - a.preference()
	})

	return all
}

func (l *wanLink) preference() int {
	switch {
	case strings.HasPrefix(l.service, "WANPPP"):
		return 0
	case strings.HasSuffix(l.service, ":1"):
		return 1
	}
	return 2
}

// query asks a connection whether it is up and which address it has.
func (l *wanLink) query(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(l.withLink(ctx), timeout)
	defer cancel()

	if status, _, _, err := l.GetStatusInfoCtx(ctx); err == nil {
		l.connected = isUp(status)
	}

	if text, err := l.GetExternalIPAddressCtx(ctx); err == nil {
		l.address, _ = netip.ParseAddr(strings.TrimSpace(text))
	}
}

// withLink gives a context what the transport has to know of this connection.
func (l *wanLink) withLink(ctx context.Context) context.Context {
	return context.WithValue(ctx, soapKey{}, &soapCall{service: l.urn})
}

// isUp reports whether a connection status says that it is connected: by the standard
// "Connected", and "Up" in some routers.
func isUp(status string) bool {
	status = strings.TrimSpace(status)
	return strings.EqualFold(status, "Connected") || strings.EqualFold(status, "Up")
}

// rank is how good a connection is: connected with a public address, connected, with a
// public address, any.
func (l *wanLink) rank() int {
	public := l.address.IsValid() && netaddr.NotPublic(l.address) == ""
	switch {
	case l.connected && public:
		return 3
	case l.connected:
		return 2
	case public:
		return 1
	}

	return 0
}

// bestLink looks at all connections and returns the best one; of equal ones the first.
func bestLink(ctx context.Context, all []*wanLink, timeout time.Duration) *wanLink {
	best := all[0]
	for _, l := range all {
		l.query(ctx, timeout)
		if l.rank() > best.rank() {
			best = l
		}
	}

	return best
}
