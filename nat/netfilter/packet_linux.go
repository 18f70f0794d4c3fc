package netfilter

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Packet is the first of a connection from outside, as a filter sees it.
type Packet struct {
	In, Out string // interfaces; "" where not known
	To      netip.AddrPort
	UDP     bool
	DNAT    bool   // the destination was translated
	Mark    uint32 // that a rule before has set
}

func (p Packet) isIPv6() bool { return p.To.Addr().Is6() }

func (p Packet) meta(key expr.MetaKey) []byte {
	interfaceName := func(s string) []byte {
		if s == "" {
			return nil
		}
		return append([]byte(s), make([]byte, IfNameSize-min(len(s), IfNameSize))...)
	}

	switch key {
	case expr.MetaKeyIIFNAME:
		return interfaceName(p.In)
	case expr.MetaKeyOIFNAME:
		return interfaceName(p.Out)
	case expr.MetaKeyIIF:
		return interfaceIndex(p.In)
	case expr.MetaKeyOIF:
		return interfaceIndex(p.Out)
	case expr.MetaKeyL4PROTO:
		if p.UDP {
			return []byte{unix.IPPROTO_UDP}
		}
		return []byte{unix.IPPROTO_TCP}
	case expr.MetaKeyNFPROTO:
		if p.isIPv6() {
			return []byte{unix.NFPROTO_IPV6}
		}
		return []byte{unix.NFPROTO_IPV4}
	case expr.MetaKeyMARK:
		return binary.NativeEndian.AppendUint32(nil, p.Mark)
	}

	return nil
}

func interfaceIndex(name string) []byte {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(i.Index))
}

func (p Packet) payload(e *expr.Payload) []byte {
	// Where the headers of IPv4 and of IPv6 have the protocol, the source and the destination
	// (RFC 791 section 3.1, RFC 8200 section 3), and somebody outside, in no block that
	// firewalls know.
	size := uint32(4)
	proto := uint32(9)
	from := uint32(12)
	outside := netip.AddrFrom4([4]byte{9, 9, 9, 9})

	if p.isIPv6() {
		size = 16
		proto = 6
		from = 8
		outside = netip.AddrFrom16([16]byte{0: 0x26, 1: 0x07, 15: 9})
	}

	switch network := e.Base == expr.PayloadBaseNetworkHeader; {
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		return binary.BigEndian.AppendUint16(nil, p.To.Port())
	case network && e.Offset == from+size && e.Len <= size:
		return p.To.Addr().AsSlice()[:e.Len]
	case network && e.Offset == from && e.Len <= size:
		return outside.AsSlice()[:e.Len]
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 13 && e.Len == 1 && !p.UDP:
		return []byte{0x02} // SYN
	case network && e.Offset == proto && e.Len == 1:
		return p.meta(expr.MetaKeyL4PROTO)
	}

	return nil
}

func (p Packet) ct(key expr.CtKey) []byte {
	word := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	switch {
	case key == expr.CtKeySTATE:
		return word(expr.CtStateBitNEW)
	case key == expr.CtKeySTATUS && p.DNAT:
		return word(1 << 5) // IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h
	case key == expr.CtKeySTATUS:
		return word(0)
	}

	return nil
}

const IfNameSize = 16 // IFNAMSIZ of linux/if.h
