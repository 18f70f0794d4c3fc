package netaddr

import "net/netip"

// blocks are the entries of IANA's IPv4 and IPv6 Special-Purpose Address Registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry, as of November 2026), multicast, and what of IPv6 is not
// given out for hosts (RFC 4291 section 2.4). Some entries are reached from everywhere, such
// as AS112's name servers: they are services of the network, and never a host's own.
func blocks() []Block { return append(blocks4(), blocks6()...) }

func block(prefix string, kind Kind, text string) Block {
	return Block{Prefix: netip.MustParsePrefix(prefix), Kind: kind, Text: text}
}

func blocks4() []Block {
	return []Block{
		block("0.0.0.0/8", Unspecified, "none (RFC 1122 section 3.2.1.3)"),
		block("10.0.0.0/8", Private, "private (RFC 1918)"),
		block("100.64.0.0/10", Shared, "shared by a provider's customers, carrier-grade NAT (RFC 6598)"),
		block("127.0.0.0/8", Loopback, "loopback"),
		block("169.254.0.0/16", LinkLocal, "link-local: the router got no address (RFC 3927)"),
		block("172.16.0.0/12", Private, "private (RFC 1918)"),
		block("192.0.0.0/24", Reserved, "reserved (RFC 6890)"),
		block("192.0.0.0/29", Reserved, "an end of a DS-Lite tunnel (RFC 7335)"),
		block("192.0.0.8/32", Reserved, "the dummy address of IPv4 (RFC 7600)"),
		block("192.0.0.9/32", Reserved, "the anycast address of PCP (RFC 7723)"),
		block("192.0.0.10/32", Reserved, "the anycast address of TURN (RFC 8155)"),
		block("192.0.0.170/31", Reserved, "for the discovery of NAT64 (RFC 7050)"),
		block("192.0.2.0/24", Documentation, "for documentation (RFC 5737)"),
		block("192.31.196.0/24", Reserved, "of AS112 (RFC 7535)"),
		block("192.52.193.0/24", Reserved, "of multicast tunnels (RFC 7450)"),
		block("192.88.99.0/24", Reserved, "of 6to4's relays, which are given up (RFC 7526)"),
		block("192.168.0.0/16", Private, "private (RFC 1918)"),
		block("192.175.48.0/24", Reserved, "of AS112 (RFC 7534)"),
		block("198.18.0.0/15", Benchmark, "for benchmarks (RFC 2544)"),
		block("198.51.100.0/24", Documentation, "for documentation (RFC 5737)"),
		block("203.0.113.0/24", Documentation, "for documentation (RFC 5737)"),
		block("224.0.0.0/4", Multicast, "multicast or reserved (RFC 1112)"),
		block("240.0.0.0/4", Reserved, "multicast or reserved (RFC 1112)"),
		block("255.255.255.255/32", Reserved, "broadcast (RFC 919)"),
	}
}

func blocks6() []Block {
	return append(unassigned6(),
		block("::/128", Unspecified, "none (RFC 4291)"),
		block("::1/128", Loopback, "loopback"),
		block("::/96", Translated, "an IPv4-compatible address (RFC 4291 section 2.5.5.1)"),
		block("::ffff:0:0:0/96", Translated, "translated (SIIT, RFC 2765)"),
		block("64:ff9b::/96", Translated, "translated (NAT64, RFC 6052)"),
		block("64:ff9b:1::/48", Translated, "translated (NAT64, RFC 8215)"),
		block("100::/64", Reserved, "discarded on the way (RFC 6666)"),
		block("100:0:0:1::/64", Reserved, "a dummy prefix (RFC 9780)"),
		block("2001::/23", Reserved, "reserved (RFC 2928)"),
		block("2001::/32", Translated, "a Teredo tunnel (RFC 4380)"),
		block("2001:1::1/128", Reserved, "the anycast address of PCP (RFC 7723)"),
		block("2001:1::2/128", Reserved, "the anycast address of TURN (RFC 8155)"),
		block("2001:1::3/128", Reserved, "the anycast address of DNS-SD registration (RFC 9665)"),
		block("2001:2::/48", Benchmark, "for benchmarks (RFC 5180)"),
		block("2001:3::/32", Reserved, "of multicast tunnels (RFC 7450)"),
		block("2001:4:112::/48", Reserved, "of AS112 (RFC 7535)"),
		block("2001:10::/28", Reserved, "an identifier of ORCHID (RFC 4843)"),
		block("2001:20::/28", Reserved, "an identifier of ORCHIDv2 (RFC 7343)"),
		block("2001:30::/28", Reserved, "an identifier of a drone (RFC 9374)"),
		block("2001:db8::/32", Documentation, "for documentation (RFC 3849)"),
		block("2002::/16", Translated, "a 6to4 tunnel (RFC 3056)"),
		block("2620:4f:8000::/48", Reserved, "of AS112 (RFC 7534)"),
		block("3fff::/20", Documentation, "for documentation (RFC 9637)"),
		block("5f00::/16", Reserved, "a segment identifier of SRv6 (RFC 9602)"),
		block("fc00::/7", Private, "private (RFC 4193)"),
		block("fe80::/10", LinkLocal, "link-local (RFC 4291)"),
		block("fec0::/10", Private, "private, site-local, which is given up (RFC 3879)"),
		block("ff00::/8", Multicast, "multicast (RFC 4291)"),
	)
}

// unassigned6 is everything outside 2000::/3, the only part of IPv6 whose addresses are
// given out as global unicast ones.
func unassigned6() []Block {
	const text = "reserved (RFC 4291 section 2.4)"
	return []Block{
		block("::/3", Reserved, text),
		block("4000::/2", Reserved, text),
		block("8000::/1", Reserved, text),
	}
}
