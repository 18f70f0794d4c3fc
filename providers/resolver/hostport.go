package resolver

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// HostPort completes host or host:port with the port of DNS.
func HostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host = strings.Trim(s, "[]")
		port = "53"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is neither host nor host:port", s)
		}
	}

	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q has no valid port", s)
	}
	if host == "" || strings.ContainsAny(host, " /") {
		return "", fmt.Errorf("%q has no host", s)
	}

	return net.JoinHostPort(host, port), nil
}

// hostAt is host:port of an address, which may have a port already.
func hostAt(addr, port string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(addr, port)
}
