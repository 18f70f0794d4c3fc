package nftables

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/nat/netfilter"
	"github.com/mailpub/mailpub/plan"
)

// Pinholes makes pinholes on the Linux router that mailpub runs on. A chain can't accept what
// another one drops, and strangers' tables are never written to: so each rule, in a table
// of mailpub's own, accepts a port and marks its packets, which one rule of the
// administrator's lets through for good. Where nothing else filters, that needs no rule.
type Pinholes struct{ *Router }

// Of the table of pinholes. It comes just before the usual place of filters, which then see
// the mark.
const (
	holeChain    = "forward"
	holePriority = nftables.ChainPriority(-10) // filter - 10
	holeMark     = uint32(0x01000000)          // one bit of the packet's mark, which few others use
)

func (n *Router) Pinholes() *Pinholes { return &Pinholes{n} }

func pinholeTable() *nftables.Table {
	return &nftables.Table{Name: nftTable, Family: nftables.TableFamilyIPv6}
}

// pinholeRule is a rule for a pinhole.
type pinholeRule struct {
	forward.Port
	to      forward.Target
	comment string
	rule    *nftables.Rule
}

// list returns the rules of our table, those that were understood, and how many others
// there are; nothing where there is no table.
func (h *Pinholes) list(ctx context.Context, conn *nftables.Conn) (holes []pinholeRule, others int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}

	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyIPv6)
	if err != nil {
		return nil, 0, fmt.Errorf("nftables: %w", err)
	}

	for _, c := range chains {
		if c.Table.Name != nftTable {
			continue
		}

		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, 0, fmt.Errorf("nftables: chain %s: %w", netfilter.ChainName(c), err)
		}

		for _, r := range rules {
			r.Table = c.Table
			if got, ok := parsePinhole(r); ok && c.Name == holeChain {
				holes = append(holes, got)
			} else {
				others++
			}
		}

		if c.Name != holeChain {
			others++
		}
	}

	return holes, others, nil
}

// acceptRule is the rule: iifname DEV ip6 daddr HOST tcp dport PORT meta mark set meta mark or
// MARK accept.
func acceptRule(dev string, p forward.Port, host netip.Addr) []expr.Any {
	name := make([]byte, netfilter.IfNameSize)
	copy(name, dev)
	proto := byte(unix.IPPROTO_TCP)

	if p.Transport() == "udp" {
		proto = unix.IPPROTO_UDP
	}

	keep := make([]byte, 4)
	set := make([]byte, 4)
	binary.NativeEndian.PutUint32(keep, ^holeMark)
	binary.NativeEndian.PutUint32(set, holeMark)

	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 24,
			Len: 16},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: host.AsSlice()},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2,
			Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1,
			Data: binary.BigEndian.AppendUint16(nil, p.Number)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: keep, Xor: set},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// parsePinhole is the reverse of passage. Of another rule it reports false.
func parsePinhole(r *nftables.Rule) (h pinholeRule, ok bool) {
	var loaded expr.Any
	accepts := false
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Meta, *expr.Payload:
			loaded = e
		case *expr.Cmp:
			switch l := loaded.(type) {
			case *expr.Meta:
				if l.Key == expr.MetaKeyL4PROTO && len(e.Data) == 1 {
					h.Proto = map[byte]string{unix.IPPROTO_TCP: "tcp6",
						unix.IPPROTO_UDP: "udp6"}[e.Data[0]]
				}
			case *expr.Payload:
				if l.Base == expr.PayloadBaseTransportHeader && len(e.Data) == 2 {
					h.Number = binary.BigEndian.Uint16(e.Data)
				} else if a, good := netip.AddrFromSlice(e.Data); good && l.Offset == 24 {
					h.to.Host = a.String()
				}
			}
		case *expr.Verdict:
			accepts = e.Kind == expr.VerdictAccept
		}
	}

	h.to.Port = h.Number
	h.comment = parseComment(r.UserData)
	h.rule = r

	return h, accepts && h.Proto != "" && h.Number != 0 && h.to.Host != ""
}

func (h *Pinholes) Read(ctx context.Context, ports []forward.Port) (found []forward.Mapping, err error) {
	conn, err := h.dial()
	if err != nil {
		return nil, err
	}

	holes, _, err := h.list(ctx, conn)
	if err != nil {
		return nil, err
	}

	for _, p := range ports {
		for _, o := range holes {
			if o.Port == p {
				found = append(found, forward.Mapping{
					Port:        p,
					To:          o.to,
					Description: o.comment,
					Grant: plan.Grant{
						At:    h.now(),
						State: h.Protocol(),
					},
				})

				break
			}
		}
	}

	return found, nil
}

func (h *Pinholes) Add(ctx context.Context, p forward.Port, to forward.Target, _ time.Duration) error {
	host, err := netip.ParseAddr(to.Host)
	if err != nil {
		return err
	}

	conn, err := h.dial()
	if err != nil {
		return err
	}

	holes, _, err := h.list(ctx, conn)
	if err != nil {
		return err
	}

	table := conn.AddTable(pinholeTable())
	priority := holePriority
	chain := conn.AddChain(&nftables.Chain{
		Name:     holeChain,
		Table:    table,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookForward,
		Priority: &priority,
	})

	h.drop(conn, holes, p)
	conn.AddRule(&nftables.Rule{
		Table:    table,
		Chain:    chain,
		Exprs:    acceptRule(h.wanDev, p, host),
		UserData: comment(h.mark),
	})

	return flush(conn)
}

// drop takes our rules for a port away, and returns how many stay.
func (h *Pinholes) drop(conn *nftables.Conn, holes []pinholeRule, p forward.Port) (left int) {
	for _, o := range holes {
		if o.Port == p {
			_ = conn.DelRule(o.rule) // it fails without a handle, and what was read has one
		} else {
			left++
		}
	}

	return left
}

// Remove takes a pinhole away, and the table with the last one.
func (h *Pinholes) Remove(ctx context.Context, p forward.Port, _ forward.Target) error {
	conn, err := h.dial()
	if err != nil {
		return err
	}

	holes, others, err := h.list(ctx, conn)
	if err != nil || len(holes) == 0 {
		return err
	}

	if h.drop(conn, holes, p)+others == 0 {
		conn.DelTable(pinholeTable())
	}

	return flush(conn)
}

// Obstacle says what in this machine keeps a pinhole from working.
func (h *Pinholes) Obstacle(ctx context.Context, p forward.Port, to forward.Target) (string, error) {
	host, err := netip.ParseAddr(to.Host)
	if err != nil {
		return "", err
	}
	if on, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/forwarding"); err == nil &&
		strings.TrimSpace(string(on)) == "0" {
		return "this machine forwards no IPv6 packets (net.ipv6.conf.all.forwarding is 0)", nil
	}

	conn, err := h.dial()
	if err != nil {
		return "", err
	}

	out, _ := gateway.InterfaceOf(host)
	return netfilter.Blocked(ctx, conn, nftables.ChainHookForward, netfilter.Packet{
		In:   h.wanDev,
		Out:  out,
		To:   netip.AddrPortFrom(host, to.Port),
		UDP:  p.Transport() == "udp",
		Mark: holeMark,
	})
}

// Blocked says what keeps a pinhole from working, as far as that is sure.
func (h *Pinholes) Blocked(ctx context.Context, p forward.Port, to forward.Target) string {
	what, err := h.Obstacle(ctx, p, to)
	if what == "" || err != nil {
		return ""
	}
	return what + "; let its chain accept what mailpub marks: " + PinholeAdvice
}
