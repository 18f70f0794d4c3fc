package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// QueryCache asks from several places and remembers the answers for the time of one run.
// A server that does not answer at all is not asked again: the others have the time.
type QueryCache struct {
	Via         *Resolver
	nameservers map[string][]string
	NSPort      string // of name servers that are found by their names

	mu    sync.Mutex
	asked map[string]*cachedAnswer
	dead  map[string]error
	alive map[string]bool // servers that answered something
	// timeouts counts the questions that each server left unanswered since it answered last.
	timeouts map[string]int
	cuts     map[string]*zoneCut // by zone, as a resolver names it
}

type cachedAnswer struct {
	once   sync.Once
	answer Answer
	err    error
}

// NewQueryCache returns one that goes through a resolver, nil for the system's. nameservers are
// those of zones, host or host:port, that are not to be found by delegation; port is where those
// are asked that are, "" for 53.
func NewQueryCache(r *Resolver, nameservers map[string][]string, port string) *QueryCache {
	l := &QueryCache{
		Via:         r,
		nameservers: map[string][]string{},
		NSPort:      cmp.Or(port, "53"),
		asked:       map[string]*cachedAnswer{},
		dead:        map[string]error{},
		alive:       map[string]bool{},
		timeouts:    map[string]int{},
		cuts:        map[string]*zoneCut{},
	}

	if l.Via == nil {
		l.Via = &Resolver{}
	}

	for zone, servers := range nameservers {
		l.nameservers[mail.FQDN(zone)] = servers
	}

	return l
}

// Source is somewhere to ask.
type Source struct {
	Addr      string
	Authority bool
}

// SourceAnswer is what one place says.
type SourceAnswer struct {
	Source
	Answer
	Err error // the place could not be asked or did not say
}

// AskAll asks each authoritative server of the name and each resolver, all at once.
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

// Authoritative returns what the first authoritative server that answers says of a name, or, where
// none does, what a resolver says.
func (l *QueryCache) Authoritative(ctx context.Context, name, rrtype string) (Answer, error) {
	return l.authoritative(ctx, name, rrtype, 0)
}

func (l *QueryCache) authoritative(ctx context.Context, name, rrtype string, hops int) (Answer, error) {
	var errs []error
	servers, err := l.NameServers(ctx, name)
	if err != nil {
		errs = append(errs, err)
	}

	for _, s := range servers {
		a, err := l.askFrom(ctx, Source{s, true}, name, rrtype, hops)
		if err == nil {
			return a, nil
		}
		errs = append(errs, err)
	}

	if inner := l.Inner(ctx, name); inner != "" { // what a resolver says is not the world's
		return Answer{}, JoinErrors(append(errs,
			fmt.Errorf("the resolver serves zone %s itself (%s)", record.Bare(inner),
				"an inner zone")))
	}

	a, err := l.Resolve(ctx, name, rrtype)
	if err != nil {
		err = JoinErrors(append(errs, err))
	}

	return a, err
}

// Ask asks one server. What an authoritative server does not hold itself is followed: an alias to
// where it ends, in or out of the zone (RFC 1034 section 3.6.2), and a delegation to the servers
// of the zone below.
func (l *QueryCache) Ask(ctx context.Context, p Source, name, rrtype string) (Answer, error) {
	return l.askFrom(ctx, p, name, rrtype, 0)
}

// mostHops is how many aliases and delegations are followed in a row.
const mostHops = 8

func (l *QueryCache) askFrom(ctx context.Context, p Source, name, rrtype string, hops int) (Answer, error) {
	a, err := l.askOnce(ctx, p, name, rrtype)
	referral := ReferralError{}
	switch {
	case !p.Authority:
		return a, err
	case errors.As(err, &referral):
		return l.below(ctx, referral, name, rrtype, hops+1)
	case err != nil || a.Status == Found || len(a.Chain) == 0:
		return a, err
	case hops >= mostHops:
		return a, fmt.Errorf("%s: more than %d aliases in a row", name, mostHops)
	}

	target := a.Chain[len(a.Chain)-1]
	end, err := l.authoritative(ctx, target, rrtype, hops+1)
	if err != nil {
		return a, fmt.Errorf("%s is an alias of %s: %w", record.Bare(mail.FQDN(name)),
			record.Bare(target), err)
	}

	end.Chain = append(slices.Clone(a.Chain), end.Chain...)
	end.Server = a.Server
	end.Authoritative = a.Authoritative

	return end, nil
}

// below asks the servers of the zone that a name is delegated to.
func (l *QueryCache) below(ctx context.Context, r ReferralError, name, rrtype string, hops int) (Answer, error) {
	if hops > mostHops {
		return Answer{}, fmt.Errorf("%s: more than %d delegations in a row", name, mostHops)
	}

	errs := []error{r}
	for _, host := range r.Hosts {
		addrs := r.Glue[host]
		for _, t := range []string{"A", "AAAA"} {
			if len(addrs) > 0 {
				break
			}
			if a, err := l.Resolve(ctx, host, t); err == nil {
				addrs = a.Data()
			}
		}

		if len(addrs) == 0 {
			continue
		}

		a, err := l.askFrom(ctx, Source{net.JoinHostPort(addrs[0], l.NSPort), true}, name,
			rrtype, hops)

		if err == nil {
			return a, nil
		}

		errs = append(errs, err)
	}

	return Answer{}, JoinErrors(errs)
}

// askOnce asks a server once for each question.
func (l *QueryCache) askOnce(ctx context.Context, p Source, name, rrtype string) (Answer, error) {
	name = mail.FQDN(name)
	key := fmt.Sprint(p, name, rrtype)
	l.mu.Lock()
	if err := l.dead[p.Addr]; err != nil {
		l.mu.Unlock()
		return Answer{}, err
	}

	q := l.asked[key]
	if q == nil {
		q = &cachedAnswer{}
		l.asked[key] = q
	}

	l.mu.Unlock()
	q.once.Do(func() {
		addr, err := HostPort(p.Addr)
		if err == nil {
			q.answer, err = l.Via.Query(ctx, addr, name, rrtype, !p.Authority)
		}
		q.err = err
		l.noteLife(ctx, p, addr, err)
	})

	return q.answer, q.err
}

// mostTimeouts is how many questions in a row may go unanswered before a server that answered
// others is not asked any more.
const mostTimeouts = 3

// noteLife keeps account of whether a server answers at all. A time-out belongs to its question: a
// resolver waits for others, and one name whose servers are silent says nothing of it. Whether the
// resolver is there, it says of the root.
func (l *QueryCache) noteLife(ctx context.Context, p Source, addr string, err error) {
	timedOut := errors.As(err, new(TimeoutError))
	l.mu.Lock()
	if !timedOut {
		l.timeouts[p.Addr] = 0
		l.alive[p.Addr] = l.alive[p.Addr] || err == nil || errors.As(err, new(ServerError))
		l.mu.Unlock()
		return
	}

	l.timeouts[p.Addr]++
	dead := !l.alive[p.Addr] || l.timeouts[p.Addr] >= mostTimeouts
	l.mu.Unlock()

	if dead && !p.Authority {
		_, rootErr := l.Via.Query(ctx, addr, ".", "NS", true)
		dead = errors.As(rootErr, new(TimeoutError))
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	switch {
	case dead:
		l.dead[p.Addr] = err
	case !p.Authority:
		l.alive[p.Addr] = true
		l.timeouts[p.Addr] = 0
	}
}

// NameServers returns the servers of the zone that holds name: those of the config, or those that
// the parent delegates it to. A server is asked at one address, IPv4 where it has one.
func (l *QueryCache) NameServers(ctx context.Context, name string) ([]string, error) {
	name = mail.FQDN(name)
	if best := l.configured(name); best != "" {
		return l.nameservers[best], nil
	}

	c, err := l.cut(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("the name servers of %s: %w", name, err)
	}

	var servers []string
	errs := []error{fmt.Errorf("no name server of %s has an address that can be found out",
		c.zone)}

	for _, h := range c.hosts {
		if glue := c.glue[h]; len(glue) > 0 {
			servers = append(servers, net.JoinHostPort(glue[0], l.NSPort))
			continue
		}

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

// configured returns the zone with given name servers that holds a name; "" where none does.
func (l *QueryCache) configured(name string) (best string) {
	for _, zone := range slices.Sorted(maps.Keys(l.nameservers)) {
		if mail.Within(name, zone) && len(zone) > len(best) {
			best = zone
		}
	}
	return best
}

// Delegation returns the zone that holds name and the names of its servers, as the parent
// delegates it.
func (l *QueryCache) Delegation(ctx context.Context, name string) (zone string, hosts []string, err error) {
	c, err := l.cut(ctx, mail.FQDN(name))
	return c.zone, c.hosts, err
}

// Resolve asks the resolvers alone.
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

// ZoneAbove returns the zone that holds a name; the name itself where that can't be found out.
func (l *QueryCache) ZoneAbove(ctx context.Context, name string) string {
	if best := l.configured(mail.FQDN(name)); best != "" {
		return best
	}
	if zone, _, err := l.Delegation(ctx, name); err == nil {
		return zone
	}
	return name
}
