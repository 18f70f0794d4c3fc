package nat

import (
	"context"
	"net/netip"
	"strings"

	"github.com/huin/goupnp"

	"github.com/mailpub/mailpub/plan/lazy"
)

// soapKey is the key of a *soapCall in a request's context.
type soapKey struct{}

// soapCall is what is known of an action beside its request, and what came of it.
type soapCall struct {
	service string // type of the service, where it is another than the library's; "" else
	err     error  // of the transport: the library hands on its text alone
}

// connection is the service of an Internet gateway device that maps ports: what
// WANIPConnection 1 and 2 and WANPPPConnection 1 have in common.
type connection interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, external uint16, proto string, internal uint16, client string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, external uint16, proto string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remoteHost string, external uint16, proto string) (internal uint16, client string, enabled bool, description string, lease uint32, err error)
	GetGenericPortMappingEntryCtx(ctx context.Context, index uint16) (remoteHost string, external uint16, proto string, internal uint16, client string, enabled bool, description string, lease uint32, err error)
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetStatusInfoCtx(ctx context.Context) (status, lastError string, uptime uint32, err error)
	GetServiceClient() *goupnp.ServiceClient
}

// connectionType is the type of a service that maps ports, in whichever name space: some
// routers have that of the DSL Forum.
var connectionType = lazy.Regexp(`(?i):service:WAN(IP|PPP)Connection:([0-9]+)$`)

// wanLink is a connection of the router to the outside, which maps ports.
type wanLink struct {
	connection
	service string // "WANIPConnection:2"
	urn     string // of the service, where the library has another; "" else

	connected bool
	address   netip.Addr // outside; not valid where it tells none
}

// services returns the services of a description that map ports, in their order.
func services(root *goupnp.RootDevice) (all []*goupnp.Service) {
	root.Device.VisitServices(func(s *goupnp.Service) {
		if connectionType().MatchString(strings.TrimSpace(s.ServiceType)) {
			all = append(all, s)
		}
	})
	return all
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}
