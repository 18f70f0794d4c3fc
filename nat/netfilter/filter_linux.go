package netfilter

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// filter plays the kernel's rules for one packet. What it does not understand, such as most
// extensions of iptables, makes the answer unsure, never wrong.
type filter struct {
	conn   *nftables.Conn
	chains []*nftables.Chain
	packet Packet
	doubt  bool // a rule that was not understood could have let it through
	steps  int
}

// chainResult is what becomes of a packet in a chain.
type chainResult struct {
	verdict expr.VerdictKind // VerdictContinue: it fell off the end
	where   string           // the rule or policy that decided
}

// Blocked says what in the kernel's rules keeps a packet from passing a hook, or "". It
// fails where nothing was found and something was not understood.
func Blocked(ctx context.Context, conn *nftables.Conn, hook *nftables.ChainHook, p Packet) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}

	chains, err := conn.ListChains()
	if err != nil {
		return "", fmt.Errorf("nftables: %w", err)
	}

	own := nftables.TableFamilyIPv4
	if p.isIPv6() {
		own = nftables.TableFamilyIPv6
	}

	base := slices.DeleteFunc(slices.Clone(chains), func(c *nftables.Chain) bool {
		f := c.Table.Family
		return c.Hooknum == nil || *c.Hooknum != *hook || c.Priority == nil ||
			c.Type != nftables.ChainTypeFilter ||
			f != own && f != nftables.TableFamilyINet
	})

	slices.SortStableFunc(base, func(a, b *nftables.Chain) int {
		return cmp.Compare(*a.Priority, *b.Priority)
	})

	unsure := ""
	for _, c := range base { // each has a veto: another's accept does not override it
		f := &filter{conn: conn, chains: chains, packet: p}
		got := f.chain(c)
		if got.verdict == expr.VerdictContinue && c.Policy != nil &&
			*c.Policy == nftables.ChainPolicyDrop {
			got = chainResult{expr.VerdictDrop, "the policy of chain " + ChainName(c)}
		}

		switch {
		case got.verdict == expr.VerdictDrop && !f.doubt:
			return got.where + " drops it", nil
		case got.verdict == expr.VerdictDrop:
			unsure = got.where + " drops it, unless a rule before lets it through that mailpub does not understand"
		}
	}

	if unsure != "" {
		return "", errors.New(unsure)
	}

	return "", nil
}

// Family returns the name of a family as nft(8) writes it.
func Family(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyINet:
		return "inet"
	}

	return fmt.Sprintf("family %d", f)
}

func ChainName(c *nftables.Chain) string {
	return fmt.Sprintf("%s %s %s", Family(c.Table.Family), c.Table.Name, c.Name)
}

// chain plays the rules of a chain.
func (f *filter) chain(c *nftables.Chain) chainResult {
	rules, err := f.conn.GetRules(c.Table, c)
	if f.steps++; err != nil || f.steps > 200 { // far more than any firewall has, and no loop
		f.doubt = true
		return chainResult{verdict: expr.VerdictContinue}
	}

	for i, r := range rules {
		v, sure := f.rule(c, r)
		if v == nil {
			continue
		}

		got := chainResult{v.Kind, fmt.Sprintf("rule %d of chain %s", i+1, ChainName(c))}
		if v.Kind == expr.VerdictJump || v.Kind == expr.VerdictGoto {
			i := slices.IndexFunc(f.chains, func(o *nftables.Chain) bool {
				return o.Name == v.Chain && o.Table.Name == c.Table.Name &&
					o.Table.Family == c.Table.Family
			})

			if i < 0 {
				f.doubt = true
				continue
			}

			got = f.chain(f.chains[i])
			if v.Kind == expr.VerdictGoto && got.verdict == expr.VerdictContinue && sure {
				return got
			}
		}

		switch got.verdict {
		case expr.VerdictAccept, expr.VerdictDrop:
			if sure {
				return got
			}
			f.doubt = f.doubt || got.verdict == expr.VerdictAccept
		case expr.VerdictReturn:
			if sure {
				return chainResult{verdict: expr.VerdictContinue}
			}
			f.doubt = true
		}
	}

	return chainResult{verdict: expr.VerdictContinue}
}

// rule returns the verdict of a rule on the packet, nil for none, and whether it is sure
// that all its conditions hold.
func (f *filter) rule(c *nftables.Chain, r *nftables.Rule) (v *expr.Verdict, sure bool) {
	sure = true
	registers := map[uint32][]byte{} // nil: not known
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Meta:
			registers[e.Register] = f.packet.meta(e.Key)
		case *expr.Payload:
			registers[e.DestRegister] = f.packet.payload(e)
		case *expr.Ct:
			registers[e.Register] = f.packet.ct(e.Key)
		case *expr.Bitwise:
			registers[e.DestRegister] = masked(registers[e.SourceRegister], e)
		case *expr.Cmp:
			is := registers[e.Register]
			switch {
			case is == nil || len(is) < len(e.Data):
				sure = false
			case !compares(is[:len(e.Data)], e.Op, e.Data):
				return nil, true
			}
		case *expr.Range:
			is := registers[e.Register]
			if len(is) != len(e.FromData) || len(is) == 0 {
				sure = false
			} else if in := bytes.Compare(is, e.FromData) >= 0 &&
				bytes.Compare(is, e.ToData) <= 0; in != (e.Op == expr.CmpOpEq) {
				return nil, true
			}
		case *expr.Lookup:
			found, to, known := f.lookup(c, e, registers[e.SourceRegister])
			switch {
			case !known && e.IsDestRegSet:
				f.doubt = true
				return nil, false
			case !known:
				sure = false
			case found == e.Invert:
				return nil, true
			case e.IsDestRegSet && to == nil: // a map to data
				sure = false
			case e.IsDestRegSet:
				return to, sure
			}
		case *expr.Fib:
			registers[e.Register] = f.packet.fib(e)
		case *expr.Match:
			if holds, known := f.packet.matches(c.Table.Family, e); !known {
				sure = false
			} else if !holds {
				return nil, true
			}
		case *expr.Target:
			if e.Name == "REJECT" {
				return &expr.Verdict{Kind: expr.VerdictDrop}, sure
			}
			sure = sure && e.Name == "LOG"
		case *expr.Verdict:
			return e, sure
		case *expr.Reject:
			return &expr.Verdict{Kind: expr.VerdictDrop}, sure
		case *expr.Counter, *expr.Log:
		default:
			sure = false
		}
	}

	return nil, sure
}

func compares(is []byte, op expr.CmpOp, with []byte) bool {
	c := bytes.Compare(is, with)
	switch op {
	case expr.CmpOpEq:
		return c == 0
	case expr.CmpOpNeq:
		return c != 0
	case expr.CmpOpLt:
		return c < 0
	case expr.CmpOpLte:
		return c <= 0
	case expr.CmpOpGt:
		return c > 0
	}

	return c >= 0
}

func masked(is []byte, e *expr.Bitwise) []byte {
	if len(is) < len(e.Mask) || len(e.Xor) != len(e.Mask) || len(is) == 0 {
		return nil
	}

	out := make([]byte, len(e.Mask))
	for i := range out {
		out[i] = is[i]&e.Mask[i] ^ e.Xor[i]
	}

	return out
}

// lookup looks for a value in a set or verdict map. Sets of intervals list the beginning
// of each and, as an element of its own, its end.
func (f *filter) lookup(c *nftables.Chain, e *expr.Lookup, value []byte) (found bool, to *expr.Verdict, known bool) {
	if value == nil {
		return false, nil, false
	}

	set, err := f.conn.GetSetByName(c.Table, e.SetName)
	if err != nil || set.Concatenation {
		return false, nil, false
	}

	elements, err := f.conn.GetSetElements(set)
	if err != nil {
		return false, nil, false
	}

	slices.SortFunc(elements, func(a, b nftables.SetElement) int {
		return bytes.Compare(a.Key, b.Key)
	})

	for _, el := range elements {
		if len(el.Key) > len(value) {
			return false, nil, false
		}

		order := bytes.Compare(el.Key, value[:len(el.Key)])
		switch {
		case set.Interval && order <= 0:
			found = !el.IntervalEnd
			to = verdictOf(el.Val)
		case !set.Interval && order == 0 && len(el.Key) == len(value):
			return true, verdictOf(el.Val), true
		}
	}

	return found, to, true
}

// verdictOf decodes what a verdict map leads to, which the library hands on as it came;
// nil for other data (NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN of linux/netfilter/nf_tables.h).
func verdictOf(value []byte) *expr.Verdict {
	d, err := netlink.NewAttributeDecoder(value)
	if err != nil {
		return nil
	}

	d.ByteOrder = binary.BigEndian
	var v *expr.Verdict
	for d.Next() {
		switch {
		case d.Type() == unix.NFTA_VERDICT_CODE && len(d.Bytes()) == 4:
			v = &expr.Verdict{Kind: expr.VerdictKind(int32(d.Uint32()))}
		case d.Type() == unix.NFTA_VERDICT_CHAIN && v != nil:
			v.Chain = d.String()
		}
	}

	if d.Err() != nil {
		return nil
	}

	return v
}
