package nat

import (
	"testing"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// Which routers can say what they forward, and which can say it of IPv4 alone.
func TestLists(t *testing.T) {
	of := func(protocol string) leaseTable { return leaseTable{protocol: protocol} }
	for _, c := range []struct {
		name          string
		device, holes device
		four, six     bool
	}{
		{"UPnP", &upnp{}, &upnpPinholes{leaseTable: of("upnp")}, true, false},
		{"UPnP, pinholes by PCP", &upnp{}, &pcp{leaseTable: of("pcp")}, true, false},
		{"PCP", &pcp{leaseTable: of("pcp")}, &pcp{leaseTable: of("pcp")}, false, false},
		{"NAT-PMP", &pmp{leaseTable: of("nat-pmp")}, &noPinholes{}, false, true},
		{"by hand", manual{}, &noPinholes{}, true, true},
	} {
		r := &Router{device: c.device, holes: c.holes}
		for name, want := range map[string]bool{"tcp/25": c.four, "udp/53": c.four,
			"tcp6/25": c.six, "nothing": false} {
			if got := r.Lists(plan.Key{Kind: forward.Kind, Name: name}); got != want {
				t.Errorf("%s lists %s: %t, want %t", c.name, name, got, want)
			}
		}
	}
}
