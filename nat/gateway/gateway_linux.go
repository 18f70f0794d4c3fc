package gateway

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// route is a default route.
type route struct {
	Dev    string
	via    netip.Addr // 0.0.0.0 for a link without a gateway, such as PPP
	metric uint64
}

// Default returns the IPv4 default gateways, the one that is used first. It reads
// the kernel's table: the library that serves other systems brings a test framework
// into every start.
func Default() ([]netip.Addr, error) {
	routes, err := DefaultRoutes()
	var all []netip.Addr
	for _, r := range routes {
		if !r.via.IsUnspecified() {
			all = append(all, r.via)
		}
	}

	return all, err
}

func DefaultRoutes() ([]route, error) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseRoutes(f)
}

// parseRoutes reads the form of /proc/net/route: fields by white space, addresses as
// hexadecimal words in the byte order of the machine (proc(5)). It returns the default
// routes, the one that is used first at the beginning.
func parseRoutes(r io.Reader) ([]route, error) {
	var routes []route
	lines := bufio.NewScanner(r)
	for first := true; lines.Scan(); first = false {
		f := strings.Fields(lines.Text())
		if first || len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue // the heading, or no default route
		}

		word, err := strconv.ParseUint(f[2], 16, 32)
		metric, err2 := strconv.ParseUint(f[6], 10, 32)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("route %q is in no known form", lines.Text())
		}

		var raw [4]byte
		binary.NativeEndian.PutUint32(raw[:], uint32(word))
		routes = append(routes, route{f[0], netip.AddrFrom4(raw), metric})
	}

	slices.SortStableFunc(routes, func(a, b route) int {
		return cmp.Compare(a.metric, b.metric)
	})

	return routes, lines.Err()
}

// Default6 is the same for IPv6.
func Default6() ([]netip.Addr, error) {
	f, err := os.Open("/proc/net/ipv6_route")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a kernel without IPv6
	}
	if err != nil {
		return nil, err
	}

	defer f.Close()

	return parseRoutes6(f)
}

// parseRoutes6 reads the form of /proc/net/ipv6_route: destination, its length, source, its
// length, next hop, metric, two counters, flags, interface, numbers in hexadecimal (inet6_rt_show
// of the kernel). It returns the gateways of the default routes, the one that is used first
// at the beginning.
func parseRoutes6(r io.Reader) ([]netip.Addr, error) {
	var routes []route
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || strings.Trim(f[0]+f[1], "0") != "" {
			continue
		}

		raw, err := hex.DecodeString(f[4])
		via, whole := netip.AddrFromSlice(raw)
		metric, err2 := strconv.ParseUint(f[5], 16, 32)
		if err != nil || err2 != nil || !whole || !via.Is6() {
			return nil, fmt.Errorf("route %q is in no known form", lines.Text())
		}

		if via.IsLinkLocalUnicast() {
			via = via.WithZone(f[9])
		}

		if !via.IsUnspecified() {
			routes = append(routes, route{f[9], via, metric})
		}
	}

	slices.SortStableFunc(routes, func(a, b route) int {
		return cmp.Compare(a.metric, b.metric)
	})

	var all []netip.Addr
	for _, r := range routes {
		all = append(all, r.via)
	}

	return all, lines.Err()
}
