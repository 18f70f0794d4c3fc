package nat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

// Add maps a port, or renews the mapping. Where the router refuses the lease, in whatever
// words, it is asked for a mapping without one.
func (u *upnp) Add(ctx context.Context, p forward.Port, to forward.Target, lease time.Duration) error {
	err := u.addOnce(ctx, p, to, lease)
	var no *refusal
	if !errors.As(err, &no) {
		return err
	}

	if lease != 0 && mayConcernLease(no.code) {
		// Older routers know permanent mappings only, and not all of them the right
		// word for it (WANIPConnection:1, AddPortMapping).
		if err := u.addOnce(ctx, p, to, 0); err == nil || errors.Is(err, errNoAnswer) {
			return err
		}
	}

	return u.explain(ctx, p, to, no)
}

// addOnce asks for a mapping once.
func (u *upnp) addOnce(ctx context.Context, p forward.Port, to forward.Target, lease time.Duration) error {
	err := u.write(ctx, func(ctx context.Context) error {
		return u.AddPortMappingCtx(ctx, "", p.Number, strings.ToUpper(p.Proto), to.Port,
			to.Host, !to.Disabled, u.description(p), seconds(lease))
	})

	if !errors.As(err, new(*refusal)) {
		u.leases[p] = lease
	}

	return err
}

// write makes a request that writes. One whose connection was cut off is made again: to map what is
// mapped, or to take away what is gone, alters nothing.
func (u *upnp) write(ctx context.Context, f func(context.Context) error) error {
	return retry(ctx, func() error {
		return u.callFor(ctx, writePatience*u.timeout, f)
	}, func(err error) bool {
		return !errors.As(err, new(*pageError))
	})
}

// mayConcernLease reports whether a refusal may be for the lease: those that certainly have
// another reason are left out.
func mayConcernLease(code int) bool {
	certain := []int{codeNotAuthorized, codeConflict, codeSamePort, codeNoPortMaps,
		codeOtherMeans, codeWildcardPort, codeWildcardHost}
	return !slices.Contains(certain, code)
}

// Remove takes a mapping away. That it is gone already is no error.
func (u *upnp) Remove(ctx context.Context, p forward.Port, was forward.Target) error {
	err := u.write(ctx, func(ctx context.Context) error {
		return u.DeletePortMappingCtx(ctx, "", p.Number, strings.ToUpper(p.Proto))
	})

	var no *refusal
	switch {
	case !errors.As(err, &no):
		return err
	case no.code == codeNoSuchEntry:
		return nil
	case no.code == codeNotAuthorized && u.local.IsValid() && was.Host != u.local.String():
		return fmt.Errorf("%w: the mapping belongs to %s, and this is %s: %w", ErrOtherHost,
			was.Host, u.local, no)
	}

	return no
}
