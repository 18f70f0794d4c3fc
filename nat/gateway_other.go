//go:build !linux

package nat

import (
	"net/netip"

	sysgateway "github.com/jackpal/gateway"
)

// systemGateways returns the default gateways, as the system has them.
func systemGateways() ([]netip.Addr, error) {
	ips, err := sysgateway.DiscoverGateways()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip); ok && !a.IsUnspecified() {
			all = append(all, a.Unmap())
		}
	}
	return all, nil
}
