package nat

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mailpub/mailpub/nat/gateway"
)

// gateway returns the gateway that the options mean, and what it is.
func (o Options) gateway() (a netip.Addr, which string, err error) {
	if o.Gateway.IsValid() {
		return o.Gateway.Unmap(), "the gateway of the config", nil
	}

	all, err := o.Gateways()
	if err != nil {
		return a, "", fmt.Errorf("default gateway: %w", err)
	}

	if o.Interface == "" {
		if len(all) == 0 {
			return a, "", errors.New("this machine has no default gateway")
		}
		return all[0], "the default gateway", nil
	}

	nets, err := gateway.Networks4(o.Interface)
	if err != nil {
		return a, "", err
	}

	for _, g := range all {
		for _, n := range nets {
			if n.Contains(g) {
				return g, "the default gateway", nil
			}
		}
	}

	return a, "", fmt.Errorf("no default gateway on interface %q", o.Interface)
}

// gateway6 is the same for IPv6, where the address may be link-local, with its zone.
func (o Options) gateway6() (a netip.Addr, which string, err error) {
	if o.Gateway6.IsValid() {
		return o.Gateway6, "the IPv6 gateway of the config", nil
	}

	all, err := o.Gateways6()
	if err != nil {
		return a, "", fmt.Errorf("default gateway of IPv6: %w", err)
	}
	if len(all) == 0 {
		return a, "", errors.New("this machine has no default gateway of IPv6")
	}

	return all[0], "the default gateway", nil
}
