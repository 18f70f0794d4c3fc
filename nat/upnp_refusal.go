package nat

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan/netaddr"
)

// explain says what a refusal to map a port means.
func (u *upnp) explain(ctx context.Context, p forward.Port, to forward.Target, no *refusal) error {
	foreign := u.local.IsValid() && to.Host != u.local.String()
	switch no.code {
	case codeConflict:
		// Also what miniupnpd says in its secure mode.
		if m, err := u.entry(ctx, p); err == nil && m != nil && m.To.Host != to.Host {
			return fmt.Errorf("%w: its target is %s (%q): %w", ErrConflict, m.To,
				forward.Printable(m.Description, 60), no)
		}
		if foreign {
			return u.foreign(to, no)
		}

		return fmt.Errorf("%w: %w", ErrConflict, no)
	case codeNotAuthorized:
		if foreign {
			return u.foreign(to, no)
		}
		return fmt.Errorf("%w: it does not let this device open ports (in a FRITZ!Box: permit independent port sharing for this device; in others: allow low ports in its UPnP settings): %w",
			ErrRefused, no)
	case codeOtherMeans:
		return fmt.Errorf("%w: the router forwards it, or uses it, by other means: %w",
			ErrConflict, no)
	case codeSamePort:
		return fmt.Errorf("%w: it maps a port only to the same port inside, not to %d: %w",
			ErrRefused, to.Port, no)
	case codeNoPortMaps:
		return fmt.Errorf("%w: it has no room for another mapping: %w", ErrRefused, no)
	case codeActionFailed:
		if a, err := u.WAN(ctx); err == nil && (!a.IsValid() || netaddr.NotPublic(a) != "") {
			return fmt.Errorf("%w: %w", ErrDoubleNAT, no)
		}
	}

	return no
}

func (u *upnp) foreign(to forward.Target, no *refusal) error {
	return fmt.Errorf("%w: run mailpub on %s itself, or switch off the router's secure mode; this is %s: %w",
		ErrOtherHost, to.Host, u.local, no)
}
