//go:build !windows

package resolver

import (
	"errors"
	"net"

	"github.com/miekg/dns"
)

// systemServers returns the name servers that the system asks, as host:port.
func systemServers() ([]string, error) {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}

	var out []string
	for _, s := range c.Servers {
		out = append(out, net.JoinHostPort(s, c.Port))
	}

	if len(out) == 0 {
		return nil, errors.New("/etc/resolv.conf names none")
	}

	return out, nil
}
