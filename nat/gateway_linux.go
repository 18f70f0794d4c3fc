package nat

import (
	"bufio"
	"cmp"
	"encoding/binary"
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
	dev    string
	via    netip.Addr // 0.0.0.0 for a link without a gateway, such as PPP
	metric uint64
}

// systemGateways returns the IPv4 default gateways, the one that is used first. It reads
// the kernel's table: the library that serves other systems brings a test framework
// into every start.
func systemGateways() ([]netip.Addr, error) {
	routes, err := defaultRoutes()
	var all []netip.Addr
	for _, r := range routes {
		if !r.via.IsUnspecified() {
			all = append(all, r.via)
		}
	}
	return all, err
}

func defaultRoutes() ([]route, error) {
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
	slices.SortStableFunc(routes, func(a, b route) int { return cmp.Compare(a.metric, b.metric) })
	return routes, lines.Err()
}
