package dnscheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

const (
	// settleMost bounds how many changes each server is asked about: of more, as many are
	// picked evenly, in the order of the plan, so that the last one, MX, is among them.
	settleMost = 64
	// settleAtOnce bounds the questions under way.
	settleAtOnce = 16
)

// propagationPauses are the waits between two rounds of questions; the last one stays.
func propagationPauses() []time.Duration {
	return []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second,
		2 * time.Second, 5 * time.Second}
}

// Propagation is what the world says of changes that were written.
type Propagation struct {
	Agree  []string      // authoritative servers that say all of it, host:port
	Behind []StaleServer // authoritative servers that say something else still
	Silent []error       // what could not be asked

	// Cached are resolvers of the site that still have an old answer, and Old is how long
	// one can live on anywhere: the longest TTL that was replaced, or the negative TTL
	// where there was nothing (RFC 2308 section 5).
	Cached []StaleServer
	Old    time.Duration
}

// StaleServer is a server that says something other than what was written.
type StaleServer struct {
	Server string
	Key    plan.Key      // one of what it is behind with
	Left   time.Duration // of a resolver: until it forgets
}

// expectation is what a server should say of one change.
type expectation struct {
	record.Target
	change plan.Change
	data   []string
	lines  []string // data with TTL, where nothing but the TTL was changed
}

// met reports whether an answer is as expected.
func (x expectation) met(a resolver.Answer) bool {
	var got, lines []string
	for _, r := range a.Records {
		if x.Holds(record.Record{Data: r.Data}) {
			got = append(got, r.Data)
			lines = append(lines, mail.RecordLine(r.Data, r.TTL))
		}
	}

	if x.lines != nil && a.Authoritative {
		return slices.Equal(slices.Sorted(slices.Values(lines)), x.lines)
	}

	return slices.Equal(slices.Sorted(slices.Values(got)), x.data)
}

// WaitPropagated asks every authoritative server of changes that were just written, again and again
// until all say what was written or ctx ends, and then each resolver once. tell, which may be
// nil, hears after each round which servers are still behind. A server that does not answer
// is not waited for.
func (f Facts) WaitPropagated(ctx context.Context, changes []plan.Change, tell func(behind []StaleServer)) Propagation {
	s := propagation{
		QueryCache: f.lookups(),
		expected:   expectations(changes),
		servers:    map[string][]expectation{},
		silent:     map[string]error{},
	}

	s.find(ctx)
	pauses := propagationPauses()
	for round := 0; len(s.servers) > 0; round++ {
		s.round(ctx)
		if len(s.behind) == 0 || ctx.Err() != nil { // the last round is what is told
			break
		}

		if tell != nil {
			tell(s.behind)
		}

		select {
		case <-time.After(pauses[min(round, len(pauses)-1)]):
		case <-ctx.Done():
		}
	}

	return s.result(context.WithoutCancel(ctx))
}

func expectations(changes []plan.Change) (xs []expectation) {
	for _, c := range changes {
		name, rrtype, tag, err := mail.SplitDNSKey(c.Key)
		if err != nil || !c.Writes() {
			continue
		}

		x := expectation{
			Target: record.Target{
				RRset: record.RRset{
					Name: name,
					Type: rrtype,
				},
				Tag: tag,
			},
			change: c,
		}

		x.data = record.DataOf(c.After)
		if slices.Equal(x.data, record.DataOf(c.Before)) {
			x.lines = slices.Sorted(slices.Values(c.After))
		}

		xs = append(xs, x)
	}

	if len(xs) <= settleMost {
		return xs
	}

	picked := make([]expectation, settleMost)
	for i := range picked {
		picked[i] = xs[(i+1)*len(xs)/settleMost-1]
	}

	return picked
}

// propagation is one run of Settle.
type propagation struct {
	*resolver.QueryCache
	expected []expectation

	mu      sync.Mutex
	servers map[string][]expectation // what each server has still to say
	agree   []string
	behind  []StaleServer
	silent  map[string]error
}

// find asks which servers hold what was written.
func (s *propagation) find(ctx context.Context) {
	for _, x := range s.expected {
		servers, err := s.NameServers(ctx, x.Name)
		if err != nil {
			s.silent[err.Error()] = err
		}
		for _, server := range servers {
			s.servers[server] = append(s.servers[server], x)
		}
	}
}

// round asks each server about what it has not said yet.
func (s *propagation) round(ctx context.Context) {
	s.behind = nil
	var group errgroup.Group
	group.SetLimit(settleAtOnce)
	open := map[string][]expectation{}

	for server, xs := range s.servers {
		for _, x := range xs {
			group.Go(func() error {
				s.mu.Lock()
				gone := s.silent[server] != nil
				s.mu.Unlock()

				if gone {
					return nil
				}

				a, err := s.Via.Ask(ctx, server, x.Name, x.Type)
				s.mu.Lock()
				defer s.mu.Unlock()

				if err != nil && ctx.Err() == nil {
					s.silent[server] = err
				} else if err != nil || !x.met(a) {
					open[server] = append(open[server], x)
				}

				return nil
			})
		}
	}

	_ = group.Wait()
	for server := range s.servers {
		switch xs := open[server]; {
		case s.silent[server] != nil:
		case len(xs) == 0:
			s.agree = append(s.agree, server)
		default:
			s.behind = append(s.behind, StaleServer{Server: server, Key: xs[0].change.Key})
			continue
		}

		delete(s.servers, server)
	}

	for server, xs := range open {
		if _, still := s.servers[server]; still {
			s.servers[server] = xs
		}
	}

	slices.SortFunc(s.behind, func(a, b StaleServer) int {
		return cmp.Compare(a.Server, b.Server)
	})
}

func (s *propagation) result(ctx context.Context) Propagation {
	out := Propagation{Agree: slices.Sorted(slices.Values(s.agree)), Behind: s.behind}
	for _, err := range s.silent {
		out.Silent = append(out.Silent, err)
	}

	slices.SortFunc(out.Silent, func(a, b error) int {
		return cmp.Compare(a.Error(), b.Error())
	})

	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	out.Cached = s.remembered(ctx)
	out.Old = s.old(ctx)
	return out
}

// remembered asks the resolvers what they still have of the old state.
func (s *propagation) remembered(ctx context.Context) (out []StaleServer) {
	resolvers, err := s.Via.ServerAddrs()
	if err != nil || len(s.agree) == 0 {
		return nil
	}

	for _, server := range resolvers {
		if slices.Contains(s.agree, server) {
			continue
		}

		late := StaleServer{Server: server}
		for _, x := range s.expected {
			a, err := s.Via.Query(ctx, server, x.Name, x.Type, true)
			if errors.As(err, new(resolver.TimeoutError)) || ctx.Err() != nil {
				break
			}
			if err != nil || x.met(a) {
				continue
			}

			left := time.Duration(0)
			for _, r := range a.Records {
				left = max(left, record.Seconds(r.TTL))
			}

			if late.Key == (plan.Key{}) || left > late.Left {
				late.Key = x.change.Key
				late.Left = left
			}
		}

		if late.Key != (plan.Key{}) {
			out = append(out, late)
		}
	}

	return out
}

// old returns how long an answer from before the changes can be remembered anywhere.
func (s *propagation) old(ctx context.Context) (longest time.Duration) {
	zones := map[string]bool{}
	for _, x := range s.expected {
		for _, l := range x.change.Before {
			if _, ttl := mail.SplitRecordLine(l); ttl > 0 {
				longest = max(longest, record.Seconds(ttl))
			}
		}

		if x.change.Before != nil {
			continue
		}

		zone, _, err := s.Delegation(ctx, x.Name)
		if err == nil && !zones[zone] {
			zones[zone] = true
			longest = max(longest, s.negative(ctx, zone))
		}
	}

	return longest
}

// negative returns how long "no such record" is remembered: the lesser of the SOA's TTL and
// its last field (RFC 2308 section 5).
func (s *propagation) negative(ctx context.Context, zone string) time.Duration {
	a, err := s.Authoritative(ctx, zone, "SOA")
	if err != nil || len(a.Records) != 1 {
		return 0
	}

	var ns, mbox string
	var serial, refresh, retry, expire, minimum int
	if n, _ := fmt.Sscan(a.Records[0].Data, &ns, &mbox, &serial, &refresh, &retry, &expire,
		&minimum); n != 7 {
		return 0
	}

	return record.Seconds(min(minimum, a.Records[0].TTL))
}
