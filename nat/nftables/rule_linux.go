package nftables

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/nat/netfilter"
)

// natRule is a rule that leads one port to one place.
type natRule struct {
	forward.Port
	to       forward.Target
	dev      string     // the interface that it is for; "" for any
	at       netip.Addr // the address that it is for; not valid for any
	comment  string
	priority nftables.ChainPriority
	rule     *nftables.Rule
}

func (r natRule) own() bool {
	return r.rule.Table.Name == nftTable && r.rule.Table.Family == nftables.TableFamilyIPv4
}

func (r natRule) table() string {
	return netfilter.Family(r.rule.Table.Family) + " " + r.rule.Table.Name
}

// rules returns the rules that lead a port of the WAN somewhere, in the order in which the
// kernel asks them. It knows the plain form, "tcp dport 25 dnat to ADDRESS:PORT" with or
// without an interface or the router's own address; maps, sets, ranges and rules written
// by iptables are not seen.
func (n *Router) rules(ctx context.Context) (found []natRule, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	conn, err := n.dial()
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}

	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}

	var here []netip.Addr
	nets, _ := gateway.Networks4(n.wanDev) // without addresses, rules for one are another's
	for _, p := range nets {
		here = append(here, p.Addr())
	}

	for _, base := range chains {
		f := base.Table.Family
		if base.Type != nftables.ChainTypeNAT || base.Hooknum == nil ||
			*base.Hooknum != *nftables.ChainHookPrerouting ||
			base.Priority == nil || f != nftables.TableFamilyIPv4 &&
			f != nftables.TableFamilyINet {
			continue
		}

		for _, c := range chains { // and those that it may jump to
			if c.Table.Name != base.Table.Name || c.Table.Family != f ||
				c != base && c.Hooknum != nil {
				continue
			}

			rules, err := conn.GetRules(c.Table, c)
			if err != nil {
				return nil, fmt.Errorf("nftables: chain %s of table %s %s: %w", c.Name,
					netfilter.Family(f), c.Table.Name, err)
			}

			for _, r := range rules {
				if t, ok := parseTranslation(r.Exprs); ok &&
					(!t.at.IsValid() || slices.Contains(here, t.at)) {
					t.rule = r
					t.priority = *base.Priority
					t.comment = parseComment(r.UserData)
					t.rule.Table = c.Table
					found = append(found, t)
				}
			}
		}
	}

	slices.SortStableFunc(found, func(a, b natRule) int {
		return cmp.Compare(a.priority, b.priority)
	})

	return found, nil
}

// dnatRule is the rule: iifname DEV tcp dport PORT dnat to HOST:INSIDE.
func dnatRule(dev string, p forward.Port, host netip.Addr, inside uint16) []expr.Any {
	proto := byte(unix.IPPROTO_TCP)
	if p.Proto == "udp" {
		proto = unix.IPPROTO_UDP
	}

	name := make([]byte, netfilter.IfNameSize)
	copy(name, dev)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2,
			Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1,
			Data: binary.BigEndian.AppendUint16(nil, p.Number)},
		&expr.Immediate{Register: 1, Data: host.AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, inside)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1,
			RegProtoMin: 2},
	}
}

// parseTranslation is the reverse of translation, for the rules of others too.
func parseTranslation(exprs []expr.Any) (r natRule, ok bool) {
	var loaded expr.Any // what the next comparison is of
	data := map[uint32][]byte{}
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Meta, *expr.Payload, *expr.Fib:
			loaded = e
		case *expr.Cmp:
			if e.Op != expr.CmpOpEq || !r.compare(loaded, e.Data) {
				return r, false
			}
		case *expr.Immediate:
			data[e.Register] = e.Data
		case *expr.NAT:
			host, good := netip.AddrFromSlice(data[e.RegAddrMin])
			if e.Type != expr.NATTypeDestNAT || !good || !host.Is4() || r.Number == 0 ||
				r.Proto == "" {
				return r, false
			}

			if r.to = (forward.Target{
				Host: host.String(),
				Port: r.Number,
			}); e.RegProtoMin != 0 {
				if len(data[e.RegProtoMin]) != 2 {
					return r, false
				}
				r.to.Port = binary.BigEndian.Uint16(data[e.RegProtoMin])
			}

			return r, true
		case *expr.Counter, *expr.Log:
		default:
			return r, false
		}
	}

	return r, false
}

// compare takes up what a rule compares with. It reports false for what it does not know.
func (r *natRule) compare(loaded expr.Any, data []byte) bool {
	switch l := loaded.(type) {
	case *expr.Meta:
		switch {
		case l.Key == expr.MetaKeyIIFNAME:
			r.dev = string(bytes.TrimRight(data, "\x00"))
		case l.Key == expr.MetaKeyL4PROTO && bytes.Equal(data, []byte{unix.IPPROTO_TCP}):
			r.Proto = "tcp"
		case l.Key == expr.MetaKeyL4PROTO && bytes.Equal(data, []byte{unix.IPPROTO_UDP}):
			r.Proto = "udp"
		default:
			return l.Key == expr.MetaKeyNFPROTO && bytes.Equal(data, []byte{unix.NFPROTO_IPV4})
		}

		return true
	case *expr.Payload:
		if l.Base == expr.PayloadBaseTransportHeader && l.Offset == 2 && len(data) == 2 {
			r.Number = binary.BigEndian.Uint16(data)
			return true
		}
		a, ok := netip.AddrFromSlice(data)
		r.at = a
		return ok && l.Base == expr.PayloadBaseNetworkHeader && l.Offset == 16 && a.Is4()
	case *expr.Fib:
		return l.ResultADDRTYPE && l.FlagDADDR
	}

	return false
}

// comment is the user data of a rule that nft(8) shows as its comment.
func comment(s string) []byte {
	s = s[:min(len(s), 127)] // NFTNL_UDATA_COMMENT_MAXLEN of libnftnl
	return append([]byte{0, byte(len(s) + 1)}, s+"\x00"...)
}

func parseComment(data []byte) string {
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		value := data[2 : 2+int(data[1])]
		if data[0] == 0 {
			return forward.Printable(string(bytes.TrimRight(value, "\x00")), 127)
		}
		data = data[2+len(value):]
	}

	return ""
}
