package receiver

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxIdleQuotas is how many addresses are remembered before those that did nothing of late are
// forgotten.
const maxIdleQuotas = 10000

// quotas bound what one address may take, so that one sender can't keep the others out. Addresses of
// the own network are exempt: some routers put their own in the place of every sender's,
// and then everybody's mail would count for one.
type quotas struct {
	connections int                   // at the same time, from one address
	rate        int                   // connections, and further messages on them, a minute
	exempt      func(netip.Addr) bool // nil: ownNetwork

	mu sync.Mutex
	by map[netip.Prefix]*quota
}

type quota struct {
	open   int
	bucket *rate.Limiter // holds what a minute may bring
	last   time.Time
}

// ownNetwork reports whether an address is none of the Internet's.
func ownNetwork(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// party returns what is counted as one sender: an IPv4 address or, as each customer has that many, a
// /64 of IPv6. ok is false where nothing is counted.
func (q *quotas) party(remote net.Addr) (p netip.Prefix, ok bool) {
	ap, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return p, false
	}
	addr := ap.Addr().Unmap().WithZone("")
	exempt := q.exempt
	if exempt == nil {
		exempt = ownNetwork
	}
	if exempt(addr) {
		return p, false
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, err = addr.Prefix(bits)
	return p, err == nil
}

// enter counts a connection in, and returns what to refuse it with, or "".
func (q *quotas) enter(remote net.Addr, now time.Time) (refusal string) {
	p, ok := q.party(remote)
	if !ok {
		return ""
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	one := q.of(p)
	one.last = now
	switch {
	case one.open >= q.connections:
		return "421 4.7.0 too many connections from your address, please come back later"
	case !one.bucket.AllowN(now, 1):
		return "421 4.7.0 too many connections from your address in a minute, please come back later"
	}
	one.open++
	return ""
}

// leave counts a connection out that enter let in.
func (q *quotas) leave(remote net.Addr) {
	if p, ok := q.party(remote); ok {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.of(p).open--
	}
}

// message counts one more message on a connection; false when it is too much.
func (q *quotas) message(remote net.Addr, now time.Time) bool {
	p, ok := q.party(remote)
	if !ok {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	one := q.of(p)
	one.last = now
	return one.bucket.AllowN(now, 1)
}

func (q *quotas) of(p netip.Prefix) *quota {
	if one := q.by[p]; one != nil {
		return one
	}
	if q.by == nil {
		q.by = map[netip.Prefix]*quota{}
	}
	if len(q.by) >= maxIdleQuotas {
		q.forget()
	}
	one := &quota{bucket: rate.NewLimiter(rate.Limit(float64(q.rate)/60), q.rate)}
	q.by[p] = one
	return one
}

// forget drops those whose bucket must be full again.
func (q *quotas) forget() {
	var newest time.Time
	for _, one := range q.by {
		if one.last.After(newest) {
			newest = one.last
		}
	}
	for p, one := range q.by {
		if one.open == 0 && newest.Sub(one.last) > time.Minute {
			delete(q.by, p)
		}
	}
}
