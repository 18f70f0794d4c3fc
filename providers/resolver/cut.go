package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// ReferralError is a server's word that a name is in a zone below, which others serve (RFC 1034
// section 4.2.1).
type ReferralError struct {
	Server string              // that says so, host:port
	Zone   string              // the zone below
	Hosts  []string            // its servers, sorted
	Glue   map[string][]string // addresses by host, of those that came along
}

func (r ReferralError) Error() string {
	return fmt.Sprintf("it is not authoritative for the name and does not resolve it: zone %s is delegated to %s",
		strings.TrimSuffix(r.Zone, "."), strings.Join(r.Hosts, ", "))
}

// referralIn returns the delegation in a reply; ok is false where there is none.
func referralIn(reply *dns.Msg) (r ReferralError, ok bool) {
	r.Glue = map[string][]string{}
	for _, rr := range reply.Ns {
		ns, is := rr.(*dns.NS)
		if !is {
			continue
		}
		r.Zone = mail.FQDN(ns.Hdr.Name)
		r.Hosts = append(r.Hosts, mail.FQDN(ns.Ns))
	}

	for _, rr := range reply.Extra {
		name := mail.FQDN(rr.Header().Name)
		switch rr := rr.(type) {
		case *dns.A:
			r.Glue[name] = append(r.Glue[name], rr.A.String())
		case *dns.AAAA:
			r.Glue[name] = append(r.Glue[name], rr.AAAA.String())
		}
	}

	slices.Sort(r.Hosts)
	return r, len(r.Hosts) > 0
}

// zoneCut is where a zone begins, as far as it can be found out.
type zoneCut struct {
	once sync.Once

	zone  string
	hosts []string            // of its servers
	glue  map[string][]string // their addresses, where the parent's were needed
	inner bool                // the resolver serves a zone of this name that the world does not see
}

// zoneCut returns the zone that holds a name. A resolver names it; the parent is asked whether that is
// so, because a resolver inside may serve a zone of its own under the name.
func (l *QueryCache) cut(ctx context.Context, name string) (zoneCut, error) {
	for zone := name; zone != "." && zone != ""; _, zone, _ = strings.Cut(zone, ".") {
		a, err := l.Resolve(ctx, zone, "NS")
		if err != nil {
			return zoneCut{}, err
		}
		if a.Status != Found || len(a.Chain) > 0 {
			continue
		}

		c := l.seenFromParent(ctx, zone, a.Data())
		if c.hosts != nil {
			return zoneCut{zone: c.zone, hosts: c.hosts, glue: c.glue}, nil
		}
	}

	return zoneCut{}, errors.New("no server names any")
}

// Inner returns the zone that holds a name at a resolver and that the world does not see so; ""
// where the resolver sees what the world sees, or where that can't be found out.
func (l *QueryCache) Inner(ctx context.Context, name string) string {
	name = mail.FQDN(name)
	if l.configured(name) != "" {
		return ""
	}
	if _, err := l.cut(ctx, name); err != nil {
		return ""
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	for zone := range mail.Enclosing(name) {
		if c := l.cuts[zone]; c != nil && c.inner {
			return zone
		}
	}

	return ""
}

// seenFromParent compares the servers that a resolver names for a zone with those that the parent
// delegates it to. Without hosts in what it returns, the world has no such zone.
func (l *QueryCache) seenFromParent(ctx context.Context, zone string, hosts []string) *zoneCut {
	l.mu.Lock()
	c := l.cuts[zone]
	if c == nil {
		c = &zoneCut{zone: zone, hosts: hosts}
		l.cuts[zone] = c
	}

	l.mu.Unlock()
	c.once.Do(func() {
		_, parent, _ := strings.Cut(zone, ".")
		if parent == "" {
			return // the root, and a top-level domain, are nobody's inner zone
		}

		referral, delegated, err := l.referral(ctx, mail.FQDN(parent), zone)
		switch {
		case err != nil:
		case !delegated:
			l.mark(c, true, nil, nil)
		case !sameNames(referral.Hosts, hosts):
			own, err := l.ownServers(ctx, referral, zone)
			if err == nil && !sameNames(own, hosts) {
				l.mark(c, true, referral.Hosts, referral.Glue)
			}
		}
	})

	return c
}

func (l *QueryCache) mark(c *zoneCut, inner bool, hosts []string, glue map[string][]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.inner = inner
	c.hosts = hosts
	c.glue = glue
}

// referral asks the parent's servers, as a resolver names them, for the delegation of a zone.
// delegated is false where one of them says, as its authority, that there is none.
func (l *QueryCache) referral(ctx context.Context, parent, zone string) (r ReferralError, delegated bool, err error) {
	errs := []error{errors.New("no server of the parent can be asked")}
	for parent != "" {
		a, err := l.Resolve(ctx, parent, "NS")
		if err != nil {
			return r, false, err
		}

		if a.Status == Found && len(a.Chain) == 0 {
			for _, host := range a.Data() {
				addrs, err := l.Resolve(ctx, host, "A")
				if err != nil || addrs.Status != Found {
					continue
				}

				r, delegated, err := l.Referral(ctx, addrs.Records[0].Data, zone)
				if err == nil {
					return r, delegated, nil
				}

				errs = append(errs, err)
			}

			break
		}

		if parent == "." {
			break
		}

		_, parent, _ = strings.Cut(parent, ".")
		parent = mail.FQDN(parent)
	}

	return r, false, JoinErrors(errs)
}

// Referral asks one server of a parent zone, at an address, for the delegation of a zone. A server
// that holds both answers for the zone itself; that is taken for the parent's word too.
func (l *QueryCache) Referral(ctx context.Context, addr, zone string) (r ReferralError, delegated bool, err error) {
	a, err := l.askOnce(ctx, Source{hostAt(addr, l.NSPort), true}, zone, "NS")
	switch {
	case errors.As(err, &r):
		return r, r.Zone == zone, nil
	case err != nil:
		return r, false, err
	case a.Status == Found && len(a.Chain) == 0:
		hosts := a.Data()
		slices.Sort(hosts)
		return ReferralError{Server: a.Server, Zone: zone, Hosts: hosts}, true, nil
	case !a.Authoritative:
		return r, false, ServerError{a.Server, errors.New("it answers without authority")}
	}

	return r, false, nil
}

// ownServers returns what the servers that a parent delegates a zone to say of its servers.
func (l *QueryCache) ownServers(ctx context.Context, r ReferralError, zone string) ([]string, error) {
	var errs []error
	for _, host := range r.Hosts {
		addrs := r.Glue[host]
		if len(addrs) == 0 {
			if a, err := l.Resolve(ctx, host, "A"); err == nil {
				addrs = a.Data()
			}
		}

		if len(addrs) == 0 {
			continue
		}

		a, err := l.askOnce(ctx, Source{hostAt(addrs[0], l.NSPort), true}, zone, "NS")
		if err == nil && a.Authoritative && a.Status == Found {
			return a.Data(), nil
		}

		errs = append(errs, err)
	}

	return nil, JoinErrors(append(errs, errors.New("none of them answers")))
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
