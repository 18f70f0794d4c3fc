package netfilter

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// What the packet is to the extensions that iptables-nft, and so ufw, writes into rules.

// Bits of linux/netfilter/xt_conntrack.h and xt_addrtype.h.
const (
	xtConntrackState = 1 << 0
	xtStateNew       = 1 << 3 // XT_CONNTRACK_STATE_BIT(IP_CT_NEW)
	xtLocal          = 1 << unix.RTN_LOCAL
)

// matches reports whether an extension matches the packet, where that is known.
func (p Packet) matches(family nftables.TableFamily, e *expr.Match) (holds, known bool) {
	if e.Info == nil {
		return false, false
	}

	switch i := e.Info.(type) {
	case *xt.Comment:
		return true, true
	case *xt.Tcp:
		return !p.UDP && within(p.To.Port(),
				i.DstPorts) != (i.InvFlags&xt.TcpInvDestPorts != 0),
			anyPort(i.SrcPorts) && i.FlagsMask == 0 && i.Option == 0
	case *xt.Udp:
		return p.UDP && within(p.To.Port(), i.DstPorts) != (i.InvFlags&xt.UdpInvDestPorts != 0), anyPort(i.SrcPorts)
	case *xt.ConntrackMtinfo1:
		return conntrack(i.ConntrackMtinfoBase, uint16(i.StateMask))
	case *xt.ConntrackMtinfo2:
		return conntrack(i.ConntrackMtinfoBase, i.StateMask)
	case *xt.ConntrackMtinfo3:
		return conntrack(i.ConntrackMtinfoBase, i.StateMask)
	case *xt.AddrTypeV1:
		return i.Dest&xtLocal != 0, i.Source == 0 && i.Flags == 0 && p.Out == "" && !p.DNAT
	}

	return false, false
}

func within(n uint16, ports [2]uint16) bool { return n >= ports[0] && n <= ports[1] }
func anyPort(ports [2]uint16) bool          { return ports == [2]uint16{0, 0xffff} }

func conntrack(i xt.ConntrackMtinfoBase, states uint16) (holds, known bool) {
	return states&xtStateNew != 0 != (i.InvertFlags&xtConntrackState != 0), i.MatchFlags == xtConntrackState
}

// fib is what the routes say of the packet: to a host's own filter, its destination is local.
func (p Packet) fib(e *expr.Fib) []byte {
	if !e.ResultADDRTYPE || !e.FlagDADDR || p.Out != "" {
		return nil
	}
	return binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)
}
