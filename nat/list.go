package nat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/nftables"
	"github.com/mailpub/mailpub/plan"
)

// ErrNoList says that the router can't list what it maps.
var ErrNoList = errors.New("the router does not list what it maps")

// Owners of a port of the router, see Seen.
const (
	OwnerOurs     = "ours"
	OwnerSite     = "another site" // of mailpub's
	OwnerStranger = "stranger"
	OwnerNobody   = "nobody"
	OwnerUnknown  = "unknown"
)

// lister is a device that can list what the router maps, whoever mapped it.
type lister interface {
	listAll(ctx context.Context) ([]forward.Mapping, error)
}

// listAll returns what the router maps, by index. The error says why that is not known to be all.
func (u *upnp) listAll(ctx context.Context) ([]forward.Mapping, error) {
	l := u.listing(ctx)
	return l.mappings, l.err
}

// List returns everything that the router maps of IPv4. It is asked for by a person only: a
// request each, and some routers take long for them. Where it can't list, the error wraps
// ErrNoList; where it can in part, the error says why not more.
func (r *Router) List(ctx context.Context) (all []ForwardStatus, err error) {
	var found []forward.Mapping
	switch d := r.device.(type) {
	case lister:
		found, err = d.listAll(ctx)
	case *nftables.Router:
		found, err = d.List(ctx)
	default:
		return nil, fmt.Errorf("%w (%s)", ErrNoList, r.Protocol())
	}

	for _, m := range found {
		all = append(all, r.mappingStatus(m))
	}

	return all, err
}

// mappingStatus says what a mapping is, and whose.
func (r *Router) mappingStatus(m forward.Mapping) ForwardStatus {
	s := ForwardStatus{
		Name:        m.Port.String(),
		Is:          m.To.String(),
		Owner:       OwnerStranger,
		Description: forward.Printable(m.Description, 60),
		Expires:     r.leaseEnd(m),
	}

	_, granted := r.known(m.Key())
	switch {
	case r.isOurs(m), granted:
		s.Owner = OwnerOurs
	case strings.HasPrefix(m.Description, forward.Mark("")+" "):
		s.Owner = OwnerSite
	}

	if m.From != "" {
		s.Note = "for " + m.From + " alone"
	}

	return s
}

// Others are the forwards of a list beside the wanted ones.
func otherForwards(list []ForwardStatus, wanted []plan.Item) (rest []ForwardStatus) {
	names := map[string]bool{}
	for _, w := range wanted {
		names[w.Key.Name] = true
	}

	for _, s := range list {
		if !names[s.Name] {
			rest = append(rest, s)
		}
	}

	return rest
}

// Strays returns the router's mappings that bear this site's mark and that nobody wants: what
// was left behind by a run whose ledger is lost, or under a name that the config had before.
// What another site or somebody else mapped is never among them.
func (r *Router) Strays(ctx context.Context, wanted []plan.Item) (strays []ForwardStatus, err error) {
	all, err := r.List(ctx)
	for _, s := range otherForwards(all, wanted) {
		if s.Owner == OwnerOurs {
			strays = append(strays, s)
		}
	}
	return strays, err
}

// RemoveStray takes a mapping away that Strays returned, if it is still the same and ours.
func (r *Router) RemoveStray(ctx context.Context, stray ForwardStatus) error {
	p, err := forward.ParsePort(plan.Key{Kind: forward.Kind, Name: stray.Name})
	if err != nil {
		return err
	}

	m, err := r.lookupPort(ctx, p)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %s: %w", r.device, stray.Name, err)
	case m == nil:
		return nil
	}

	if now := r.mappingStatus(*m); now.Owner != OwnerOurs || now.Is != stray.Is {
		return fmt.Errorf("%s: %s: %w: its target is now %s", r.device, stray.Name,
			plan.ErrStale, now.Is)
	}
	if err := r.removeAndCheck(context.WithoutCancel(ctx), r.device, p, m.To); err != nil {
		return fmt.Errorf("%s: %s: %w", r.device, stray.Name, err)
	}

	return nil
}
