package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/plan/mail"
)

// lookups asks from several places and remembers the answers for the time of one run.
// A server that did not answer once is not asked again: the others have the time.
type QueryCache struct {
	Via         *Resolver
	nameservers map[string][]string
	NSPort      string // of name servers that are found by their names

	mu    sync.Mutex
	asked map[string]*asked
	dead  map[string]error
}

type asked struct {
	once   sync.Once
	answer Answer
	err    error
}

// newLookups returns lookups that go through a resolver, nil for the system's. nameservers are
// those of zones, host or host:port, that are not to be found by delegation; port is where those
// are asked that are, "" for 53.
func NewQueryCache(r *Resolver, nameservers map[string][]string, port string) *QueryCache {
	l := &QueryCache{
		Via:         r,
		nameservers: map[string][]string{},
		NSPort:      cmp.Or(port, "53"),
		asked:       map[string]*asked{},
		dead:        map[string]error{},
	}
	if l.Via == nil {
		l.Via = &Resolver{}
	}
	for zone, servers := range nameservers {
		l.nameservers[mail.FQDN(zone)] = servers
	}
	return l
}

// place is somewhere to ask.
type Source struct {
	Addr      string
	Authority bool
}

// view is what one place says.
type SourceAnswer struct {
	Source
	Answer
	Err error // the place could not be asked or did not say
}

// everywhere asks each authoritative server of the name and each resolver, all at once.
func (l *QueryCache) AskAll(ctx context.Context, name, rrtype string) []SourceAnswer {
	var places []Source
	var views []SourceAnswer
	servers, err := l.NameServers(ctx, name)
	if err != nil {
		views = append(views, SourceAnswer{Err: err})
	}
	for _, s := range servers {
		places = append(places, Source{s, true})
	}
	resolvers, err := l.Via.ServerAddrs()
	if err != nil {
		views = append(views, SourceAnswer{Err: err})
	}
	for _, s := range resolvers {
		places = append(places, Source{s, false})
	}
	found := make([]SourceAnswer, len(places))
	var wg sync.WaitGroup
	for i, p := range places {
		wg.Go(func() {
			a, err := l.Ask(ctx, p, name, rrtype)
			found[i] = SourceAnswer{p, a, err}
		})
	}
	wg.Wait()
	return append(views, found...)
}

// truth returns what the first authoritative server that answers says of a name, or, where
// none does, what a resolver says.
func (l *QueryCache) Authoritative(ctx context.Context, name, rrtype string) (Answer, error) {
	var errs []error
	servers, err := l.NameServers(ctx, name)
	if err != nil {
		errs = append(errs, err)
	}
	for _, s := range servers {
		a, err := l.Ask(ctx, Source{s, true}, name, rrtype)
		// An alias that leads out of the zone is the resolver's to follow.
		if err == nil && (a.Status == Found || len(a.Chain) == 0) {
			return a, nil
		}
		errs = append(errs, err)
	}
	a, err := l.Resolve(ctx, name, rrtype)
	if err != nil {
		err = JoinErrors(append(errs, err))
	}
	return a, err
}

func (l *QueryCache) Ask(ctx context.Context, p Source, name, rrtype string) (Answer, error) {
	name = mail.FQDN(name)
	key := fmt.Sprint(p, name, rrtype)
	l.mu.Lock()
	if err := l.dead[p.Addr]; err != nil {
		l.mu.Unlock()
		return Answer{}, err
	}
	q := l.asked[key]
	if q == nil {
		q = &asked{}
		l.asked[key] = q
	}
	l.mu.Unlock()
	q.once.Do(func() {
		addr, err := HostPort(p.Addr)
		if err == nil {
			q.answer, err = l.Via.Query(ctx, addr, name, rrtype, !p.Authority)
		}
		q.err = err
		if errors.As(err, new(TimeoutError)) {
			l.mu.Lock()
			l.dead[p.Addr] = err
			l.mu.Unlock()
		}
	})
	return q.answer, q.err
}

// authorities returns the servers of the zone that holds name: those of the config, or
// those that a resolver names. A server is asked at one address, IPv4 where it has one.
func (l *QueryCache) NameServers(ctx context.Context, name string) ([]string, error) {
	name = mail.FQDN(name)
	best := ""
	for _, zone := range slices.Sorted(maps.Keys(l.nameservers)) {
		if mail.Within(name, zone) && len(zone) > len(best) {
			best = zone
		}
	}
	if best != "" {
		return l.nameservers[best], nil
	}
	zone, hosts, err := l.Delegation(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("the name servers of %s: %w", name, err)
	}
	var servers []string
	errs := []error{fmt.Errorf("no name server of %s has an address that can be found out", zone)}
	for _, h := range hosts {
		for _, t := range []string{"A", "AAAA"} {
			a, err := l.Resolve(ctx, h, t)
			errs = append(errs, err)
			if err == nil && a.Status == Found {
				servers = append(servers, net.JoinHostPort(a.Records[0].Data, l.NSPort))
				break
			}
		}
	}
	if len(servers) == 0 {
		return nil, JoinErrors(errs)
	}
	return servers, nil
}

// delegation returns the zone that holds name and the names of its servers.
func (l *QueryCache) Delegation(ctx context.Context, name string) (zone string, hosts []string, err error) {
	for zone = name; zone != "." && zone != ""; {
		a, err := l.Resolve(ctx, zone, "NS")
		if err != nil {
			return "", nil, err
		}
		if a.Status == Found && len(a.Chain) == 0 {
			return zone, a.Data(), nil
		}
		_, zone, _ = strings.Cut(zone, ".")
	}
	return "", nil, errors.New("nobody names any")
}

// resolve asks the resolvers alone.
func (l *QueryCache) Resolve(ctx context.Context, name, rrtype string) (Answer, error) {
	servers, err := l.Via.ServerAddrs()
	errs := []error{err}
	for _, s := range servers {
		a, err := l.Ask(ctx, Source{s, false}, name, rrtype)
		if err == nil {
			return a, nil
		}
		errs = append(errs, err)
	}
	return Answer{}, JoinErrors(errs)
}

// zoneAbove returns the zone that holds a name; the name itself where that can't be found out.
func (l *QueryCache) ZoneAbove(ctx context.Context, name string) string {
	best := ""
	for zone := range l.nameservers {
		if mail.Within(name, zone) && len(zone) > len(best) {
			best = zone
		}
	}
	if best != "" {
		return best
	}
	if zone, _, err := l.Delegation(ctx, name); err == nil {
		return zone
	}
	return name
}
