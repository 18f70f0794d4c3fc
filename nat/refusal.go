package nat

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/plan/netaddr"
)

// Codes with which a UPnP router refuses (UPnP Device Architecture 1.1,
// section 3.2, and the actions of WANIPConnection:2).
const (
	codeInvalidArgs   = 402
	codeActionFailed  = 501
	codeNotAuthorized = 606
	codeIndexInvalid  = 713
	codeNoSuchEntry   = 714
	codeConflict      = 718
	codeSamePort      = 724
	codePermanentOnly = 725
	codeNoPortMaps    = 728
	codeOtherMeans    = 729

	codePinholesOff   = 702 // WANIPv6FirewallControl:1 section 2.6
	codeNoSuchPinhole = 704
)

// refusal is a router's no.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("the router answers %d %q", r.code, r.text) }

// explain says what a refusal to map a port means.
func (u *upnp) explain(ctx context.Context, p port, to target, no *refusal) error {
	foreign := u.local.IsValid() && to.host != u.local.String()
	switch no.code {
	case codeConflict:
		// Also what miniupnpd says in its secure mode.
		if m, err := u.entry(ctx, p); err == nil && m != nil && m.to.host != to.host {
			return fmt.Errorf("%w: it leads to %s (%q): %w", ErrConflict, m.to, printable(m.description, 60), no)
		}
		if foreign {
			return u.foreign(to, no)
		}
		return fmt.Errorf("%w: %w", ErrConflict, no)
	case codeNotAuthorized:
		if foreign {
			return u.foreign(to, no)
		}
		return fmt.Errorf("%w: %w", ErrRefused, no)
	case codeOtherMeans:
		return fmt.Errorf("%w: the router forwards it, or uses it, by other means: %w", ErrConflict, no)
	case codeSamePort:
		return fmt.Errorf("%w: it maps a port only to the same port inside, not to %d: %w", ErrRefused, to.port, no)
	case codeNoPortMaps:
		return fmt.Errorf("%w: it has no room for another mapping: %w", ErrRefused, no)
	case codeActionFailed:
		if a, err := u.wan(ctx); err == nil && (!a.IsValid() || netaddr.NotPublic(a) != "") {
			return fmt.Errorf("%w: %w", ErrDoubleNAT, no)
		}
	}
	return no
}

func (u *upnp) foreign(to target, no *refusal) error {
	return fmt.Errorf("%w: run mailpub on %s itself, or switch off the router's secure mode; this is %s: %w", ErrOtherHost, to.host, u.local, no)
}
