package mail

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ReverseName returns the name under in-addr.arpa. or ip6.arpa. that holds the PTR of
// an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
func ReverseName(a netip.Addr) string {
	a = a.Unmap()
	raw := a.AsSlice()
	slices.Reverse(raw)
	var b strings.Builder

	if a.Is4() {
		for _, o := range raw {
			fmt.Fprintf(&b, "%d.", o)
		}
		return b.String() + "in-addr.arpa."
	}

	for _, o := range raw {
		fmt.Fprintf(&b, "%x.%x.", o&15, o>>4)
	}

	return b.String() + "ip6.arpa."
}

// pointerName returns the name that holds the PTR of an address: where DNS has an alias that ends in
// one of the site's zones, the end of it. Where one of the site's
// zones is a classless one for the address, as a provider delegates fewer than 256
// addresses, it lies in there (RFC 2317 section 4); the provider's own zone then has a
// CNAME to it.
func (s Spec) pointerName(a netip.Addr) string {
	name := ReverseName(a)
	if end := s.Pointers[a.Unmap()]; end != "" {
		if _, ours := s.ZoneOf(end); ours {
			return FQDN(end)
		}
	}

	if a = a.Unmap(); !a.Is4() {
		return name
	}

	last, parent, _ := strings.Cut(name, ".")
	for _, z := range s.Zones {
		label, above, _ := strings.Cut(z.Name, ".")
		if above == parent && inRange(label, a.As4()[3]) {
			return last + "." + z.Name
		}
	}

	return name
}

// inRange reports whether the label of a classless zone takes in the last octet n of an
// address: "0/25" and "0_25" by the length of a prefix, "0-127" by its ends.
func inRange(label string, n byte) bool {
	first, rest, ok := strings.Cut(label, "-")
	from, err := strconv.ParseUint(first, 10, 8)
	if ok {
		to, err2 := strconv.ParseUint(rest, 10, 8)
		return err == nil && err2 == nil && from <= uint64(n) && uint64(n) <= to
	}

	if first, rest, ok = strings.Cut(label, "/"); !ok {
		first, rest, ok = strings.Cut(label, "_")
	}

	from, err = strconv.ParseUint(first, 10, 8)
	bits, err2 := strconv.ParseUint(rest, 10, 8)
	if !ok || err != nil || err2 != nil || bits < 24 || bits > 32 {
		return false
	}

	return from>>(32-bits) == uint64(n)>>(32-bits)
}
