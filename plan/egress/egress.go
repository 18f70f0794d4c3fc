// Package egress limits which addresses a process connects to. A fleet's workers run with texts of
// customers, which name hosts: without a limit a customer could reach the inside of the hoster's network
// from a worker. The limit is rules in a context, checked for each socket at the moment it is connected,
// after names were resolved, so that a name cannot lead to another address afterwards (DNS rebinding).
//
// A context without rules may connect to any address: files of an administrator are trusted.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/mailpub/mailpub/plan/netaddr"
)

// Rules says which addresses are allowed in addition to public unicast addresses.
type Rules struct {
	Allow []netip.Prefix
}

type contextKey struct{}

// With returns a context whose connections are limited by rules. It replaces those that ctx has.
func With(ctx context.Context, p Rules) context.Context {
	p.Allow = slices.Clone(p.Allow)
	for i, prefix := range p.Allow {
		p.Allow[i] = prefix.Masked()
	}
	return context.WithValue(ctx, contextKey{}, &p)
}

// Without returns a context that is not limited, for what the operator's own settings name: the system's
// name servers, the database.
func Without(ctx context.Context) context.Context {
	if !Limited(ctx) {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, (*Rules)(nil))
}

// Limited reports whether ctx has rules.
func Limited(ctx context.Context) bool { return rulesOf(ctx) != nil }

func rulesOf(ctx context.Context) *Rules {
	p, _ := ctx.Value(contextKey{}).(*Rules)
	return p
}

// Error says that a connection was refused before anything was sent.
type Error struct {
	Address string // as it was to be connected to
	Kind    string // what kind of address it is; "" for none of the Internet
}

func (e *Error) Error() string {
	if e.Kind == "" {
		return fmt.Sprintf("%s is not allowed: this site may connect to public addresses only",
			e.Address)
	}
	return fmt.Sprintf("%s is %s: this site may connect to public addresses only", e.Address,
		e.Kind)
}

// Timeout and Temporary make the error a net.Error: asking again does not help.
func (e *Error) Timeout() bool   { return false }
func (e *Error) Temporary() bool { return false }

// Allowed returns nil where the rules of ctx allow an address, else an *Error.
func Allowed(ctx context.Context, a netip.Addr) error {
	p := rulesOf(ctx)
	if p == nil {
		return nil
	}
	return p.Allowed(a)
}

// Allowed returns nil where the rules allow an address, else an *Error.
func (p Rules) Allowed(a netip.Addr) error {
	a = a.Unmap()
	bare := a.WithZone("")
	for _, prefix := range p.Allow {
		if prefix.Contains(bare) {
			return nil
		}
	}

	// An address of NAT64 is as public as the IPv4 address in it (RFC 6052 section 3.1). Other tunnels
	// (6to4, Teredo, ISATAP) are refused as a whole.
	if isNAT64(bare) && a.Zone() == "" {
		inner, _ := netaddr.Embedded(bare)
		if p.Allowed(inner) == nil {
			return nil
		}
	}

	if kind := netaddr.NotPublic(a); kind != "" {
		return &Error{Address: a.String(), Kind: kind}
	}

	return nil
}

// isNAT64 reports whether an address has the prefix that every NAT64 may use (RFC 6052 section 2.1).
func isNAT64(a netip.Addr) bool {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x00, 0x64, 0xff, 0x9b}), 96).Contains(a)
}

// Control refuses a socket whose address the rules of ctx do not allow. It is a net.Dialer's
// ControlContext: called for each address of a name, when it is known and before anything is sent.
func Control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	if !Limited(ctx) {
		return nil
	}
	return check(ctx, network, address)
}

// Connected refuses a connection that is open already, as one that another site opened and that is kept for
// the next question.
func Connected(ctx context.Context, remote net.Addr) error {
	if !Limited(ctx) {
		return nil
	}
	return check(ctx, remote.Network(), remote.String())
}

func check(ctx context.Context, network, address string) error {
	if !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return &Error{Address: network + " " + address}
	}

	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Error{Address: address}
	}

	return Allowed(ctx, to.Addr())
}

// Dialer returns a dialer that keeps to the rules of each call's context.
func Dialer() *net.Dialer { return &net.Dialer{ControlContext: Control} }

// Refuse returns an error where ctx has rules: for what cannot keep to one, as a search in the local
// network, or a library that takes no context.
func Refuse(ctx context.Context, action string) error {
	if !Limited(ctx) {
		return nil
	}
	return fmt.Errorf("%s is not available to this site: its connections are limited to public addresses",
		action)
}
