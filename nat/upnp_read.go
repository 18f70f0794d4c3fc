package nat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// longestList bounds how many mappings of a router are read by index.
const longestList = 256

// Read looks up each port by itself. Where the router has no answer of use to that, all that
// it maps is listed once.
func (u *upnp) Read(ctx context.Context, ports []forward.Port) (found []forward.Mapping, err error) {
	answered := false
	var silent error // the last time-out: a router that is silent twice is not asked again
	var list *mappingList

	for _, p := range ports {
		var m *forward.Mapping
		if err = silent; err == nil {
			m, err = u.entry(ctx, p)
		}

		if err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}

		if errors.Is(err, errTooSlow) {
			silent = err
		} else if err != nil {
			if list == nil {
				list = u.listing(ctx)
			}
			m, err = list.find(p, err)
		}

		answered = answered || err == nil || isRefusalToList(err)
		switch {
		case err != nil:
			found = append(found, u.unreadable(p, err))
		case m != nil:
			found = append(found, *m)
		}
	}

	if !answered && err != nil {
		return nil, err
	}

	return found, nil
}

// unreadable is a port of which the router says nothing of use. Where it lives and answers,
// and has granted nothing that lasts, the port is asked for all the same: routers do not
// overwrite the mapping of another host.
func (u *upnp) unreadable(p forward.Port, err error) forward.Mapping {
	m := forward.Mapping{Port: p, Unread: err}
	if !isRefusalToList(err) {
		return m
	}

	g, granted := u.known(p.Key())
	left := g.Expires().Sub(u.now())
	switch {
	case !granted || !isUPnP(g.State):
		m.Again = fmt.Sprintf("the router does not report this port (%v), so mailpub requests the forward", err)
	case g.Lifetime > 0 && left < g.Lifetime/2:
		m.Again = fmt.Sprintf("the router does not report this port (%v); %s left of the lease of %s that it granted",
			err, plan.FormatDuration(max(left, 0)), plan.FormatDuration(g.Lifetime))
	}

	return m
}

// isRefusalToList reports whether an error says that the router lives and does not tell what it maps:
// it refuses to, or has a page for an answer. One that is silent or broken may tell later.
func isRefusalToList(err error) bool {
	var page *pageError
	if errors.As(err, &page) {
		return page.status < http.StatusInternalServerError ||
			page.status == http.StatusNotImplemented
	}
	return errors.As(err, new(*refusal))
}

// entry looks up one port; nil when it is not mapped.
func (u *upnp) entry(ctx context.Context, p forward.Port) (*forward.Mapping, error) {
	var m *forward.Mapping
	err := u.ask(ctx, func(ctx context.Context) error {
		internal, client, enabled, description, left, err := u.GetSpecificPortMappingEntryCtx(ctx,
			"", p.Number, strings.ToUpper(p.Proto))
		m = u.mapping(p, client, internal, enabled, description, left)
		return err
	})

	var no *refusal
	if errors.As(err, &no) && (no.code == codeNoSuchEntry || no.code == codeIndexInvalid) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}

	return m, nil
}

// mapping is what a router tells; nil for the place holder of a port that is not mapped, with
// no client and no port, as some have it.
func (u *upnp) mapping(p forward.Port, client string, internal uint16, enabled bool, description string, left uint32) *forward.Mapping {
	host := plainAddress(strings.TrimSpace(forward.Printable(client, 60)))
	if internal == 0 && !enabled && (host == "" || host == "0.0.0.0") {
		return nil
	}

	return &forward.Mapping{
		Port:        p,
		To:          forward.Target{Host: host, Port: internal, Disabled: !enabled},
		Description: description,
		Grant: plan.Grant{
			Lifetime: time.Duration(left) * time.Second,
			At:       u.now(),
			State:    stateUPnP,
		},
	}
}

// plainAddress writes an address as everybody does that a router has in another form: with
// zeros in front, or as one of IPv6 that stands for one of IPv4. Other texts stay.
func plainAddress(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}

	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return s
	}

	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return s
		}
		parts[i] = strconv.FormatUint(n, 10)
	}

	return strings.Join(parts, ".")
}

// mappingList is what a router maps, by index.
type mappingList struct {
	mappings []forward.Mapping
	err      error // why it is not known to be whole
}

// find looks up a port. refused is why the router did not tell of it alone.
func (l *mappingList) find(p forward.Port, refused error) (*forward.Mapping, error) {
	for i, m := range l.mappings {
		if m.Port == p {
			return &l.mappings[i], nil
		}
	}

	if l.err != nil {
		return nil, fmt.Errorf("%w; and its list can't be read: %w", refused, l.err)
	}

	return nil, nil
}

// mappingList reads all that the router maps, one by one until it says that there is no more.
func (u *upnp) listing(ctx context.Context) *mappingList {
	l := &mappingList{}
	for i := range longestList {
		var m *forward.Mapping
		err := u.ask(ctx, func(ctx context.Context) error {
			remote, external, proto, internal, client, enabled, description, left, err := u.GetGenericPortMappingEntryCtx(ctx,
				uint16(i))

			p := forward.Port{
				Proto:  strings.ToLower(strings.TrimSpace(proto)),
				Number: external,
			}

			if m = u.mapping(p, client, internal, enabled, description, left); m != nil {
				m.From = forward.Printable(remote, 60)
			}

			return err
		})

		if err == nil {
			if m != nil && slices.ContainsFunc(l.mappings, func(o forward.Mapping) bool {
				return o.Port == m.Port && o.From == m.From
			}) {
				return l // it begins anew, or tells its last entry for ever
			}

			if m != nil {
				l.mappings = append(l.mappings, *m)
			}

			continue
		}

		if !isEndOfList(i, err) {
			l.err = fmt.Errorf("entry %d: %w", i, err)
		}

		return l
	}

	l.err = fmt.Errorf("more than %d entries", longestList)
	return l
}

// isEndOfList reports whether a refusal says that there is no entry of an index: 713 by the
// standard (WANIPConnection:2 section 2.5.18), 714 in some routers, and 402 behind the last one.
func isEndOfList(index int, err error) bool {
	var no *refusal
	if !errors.As(err, &no) {
		return false
	}
	return no.code == codeIndexInvalid || no.code == codeNoSuchEntry ||
		no.code == codeInvalidArgs && index > 0
}
