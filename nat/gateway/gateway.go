package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// IsLocal reports whether an address is this machine's.
func IsLocal(a netip.Addr) bool {
	_, own := InterfaceOf(a)
	return own
}

// Networks4 returns the IPv4 networks of an interface.
func Networks4(name string) ([]netip.Prefix, error) {
	all, err := networks(name)
	return slices.DeleteFunc(all, func(p netip.Prefix) bool {
		return !p.Addr().Is4()
	}), err
}

// networks returns the networks of an interface.
func networks(name string) ([]netip.Prefix, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("network interface %q: %w", name, err)
	}

	addrs, err := i.Addrs()
	if err != nil {
		return nil, fmt.Errorf("network interface %q: %w", name, err)
	}

	var all []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p)
		}
	}

	return all, nil
}

// InterfaceOf returns the interface on whose network an address is, and whether the address
// is this machine's own.
func InterfaceOf(a netip.Addr) (name string, own bool) {
	all, err := net.Interfaces()
	if err != nil {
		return "", false
	}

	for _, i := range all {
		nets, err := networks(i.Name)
		if err != nil {
			continue
		}

		for _, p := range nets {
			if p.Contains(a) {
				name = i.Name
				own = own || p.Addr() == a
			}
		}
	}

	return name, own
}

// SourceAddr returns the address from which this machine speaks to another; not valid
// when it can't. It sends nothing.
func SourceAddr(host string) netip.Addr {
	c, err := net.Dial("udp4", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
