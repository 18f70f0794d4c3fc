//go:build !linux

package gateway

import (
	"errors"
	"net/netip"

	sysgateway "github.com/jackpal/gateway"
)

// Default returns the default gateways, as the system has them.
func Default() ([]netip.Addr, error) {
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

// Default6 is for IPv6, of which the library knows nothing.
func Default6() ([]netip.Addr, error) {
	return nil, errors.New("not found out on this system: name it in router.gateway6")
}
