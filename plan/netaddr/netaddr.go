// Package netaddr knows which IP addresses are not public: the blocks of IANA's registries
// of special-purpose addresses (RFC 6890), and the IPv4 addresses that translation and
// tunnels put into IPv6 ones. It knows nothing of hosts, routers or names, and imports the
// standard library only.
package netaddr

import (
	"net/netip"
	"slices"
)

// Kind is a kind of address that is not public.
type Kind string

const (
	Public        Kind = "" // none of the others: a host on the Internet may have it
	Private       Kind = "private"
	Shared        Kind = "cgnat" // carrier-grade NAT
	Loopback      Kind = "loopback"
	LinkLocal     Kind = "link-local"
	Unspecified   Kind = "unspecified"
	Documentation Kind = "documentation"
	Benchmark     Kind = "benchmark"
	Multicast     Kind = "multicast"
	Translated    Kind = "translated" // an IPv4 address inside an IPv6 one
	Reserved      Kind = "reserved"
)

// Block is a range of addresses that are not public.
type Block struct {
	Prefix netip.Prefix
	Kind   Kind
	Text   string // what an address of it is, with the source: "private (RFC 1918)"
}

// Find returns the narrowest block that an address is in. ok is false for a public address.
// An IPv4-mapped address is taken for the IPv4 address (RFC 4291 section 2.5.5.2). An
// address with a zone, and one that is not valid, are of no network but a host's own.
func Find(a netip.Addr) (b Block, ok bool) {
	switch {
	case !a.IsValid():
		return Block{Kind: Unspecified, Text: "none"}, true
	case a.Zone() != "":
		return Block{Kind: LinkLocal, Text: "link-local (RFC 4007)"}, true
	}

	a = a.Unmap()
	for _, candidate := range blocks() {
		narrower := !ok || candidate.Prefix.Bits() > b.Prefix.Bits()
		if narrower && candidate.Prefix.Contains(a) {
			b, ok = candidate, true
		}
	}

	if !ok && isISATAP(a) {
		return Block{
			Prefix: netip.PrefixFrom(a, 128),
			Kind:   Translated,
			Text:   "an ISATAP tunnel to IPv4 (RFC 5214)",
		}, true
	}

	return b, ok
}

// NotPublic says in words what an address is that is not public; "" for a public one.
func NotPublic(a netip.Addr) string {
	b, _ := Find(a)
	return b.Text
}

// Unreachable says in words why no mail can come in at an address from the Internet; "" where it
// can. Addresses for documentation and benchmarks pass: examples and labs stand on them.
func Unreachable(a netip.Addr) string {
	b, ok := Find(a)
	if !ok || b.Kind == Documentation || b.Kind == Benchmark {
		return ""
	}
	return b.Text
}

// KindOf returns the kind of an address.
func KindOf(a netip.Addr) Kind {
	b, _ := Find(a)
	return b.Kind
}

// Embedded returns the IPv4 address that an IPv6 address stands for or is sent through:
// IPv4-mapped, IPv4-compatible, SIIT, NAT64, 6to4, Teredo (its client) and ISATAP.
func Embedded(a netip.Addr) (v4 netip.Addr, ok bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	if a.Is4In6() {
		return a.Unmap(), true
	}

	bytes := a.As16()
	last := netip.AddrFrom4([4]byte(bytes[12:16]))
	switch {
	case slices.ContainsFunc([]string{"64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96"},
		within(a)):
		return last, true
	case within(a)("::/96") && !a.IsUnspecified() && a != netip.IPv6Loopback():
		return last, true
	case within(a)("2002::/16"): // RFC 3056 section 2
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	case within(a)("2001::/32"): // RFC 4380 section 4: inverted
		return netip.AddrFrom4([4]byte{^bytes[12], ^bytes[13], ^bytes[14], ^bytes[15]}), true
	case isISATAP(a):
		return last, true
	}

	return netip.Addr{}, false
}

func within(a netip.Addr) func(prefix string) bool {
	return func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(a) }
}

// isISATAP reports whether an interface identifier is that of ISATAP: 0000:5efe or, of a
// globally unique IPv4 address, 0200:5efe, before the IPv4 address (RFC 5214 section 6.1).
func isISATAP(a netip.Addr) bool {
	if !a.Is6() || a.Is4In6() {
		return false
	}
	b := a.As16()
	return b[8]&^0x03 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
