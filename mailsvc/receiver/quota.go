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

// wider is how many times the connections of one sender all of a /56 of IPv6 may have, which many
// providers give to one customer.
const wider = 2

// sender names who a connection is counted for, exempt or not.
func (q *quotas) sender(remote net.Addr) string {
	addr, ok := address(remote)
	if !ok {
		return remote.String()
	}
	return prefix(addr, 64).String()
}

// prefix is an IPv4 address, or so many bits of an IPv6 one.
func prefix(addr netip.Addr, bits int) netip.Prefix {
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits)
	return p
}

func address(remote net.Addr) (addr netip.Addr, ok bool) {
	ap, err := netip.ParseAddrPort(remote.String())
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// counted returns what is counted as one sender: an IPv4 address or, as each customer has that many,
// a /64 of IPv6; then what is counted beside it, the /56 around that. There is nothing where nothing
// is counted.
func (q *quotas) counted(remote net.Addr) (senders []netip.Prefix) {
	addr, ok := address(remote)
	if !ok {
		return nil
	}

	exempt := q.exempt
	if exempt == nil {
		exempt = ownNetwork
	}

	if exempt(addr) {
		return nil
	}

	senders = []netip.Prefix{prefix(addr, 64)}
	if addr.Is6() {
		senders = append(senders, prefix(addr, 56))
	}

	return senders
}

// acquire counts a connection in, and returns what to refuse it with, or "".
func (q *quotas) acquire(remote net.Addr, now time.Time) (refusal string) {
	senders := q.counted(remote)
	q.mu.Lock()
	defer q.mu.Unlock()

	most := q.connections
	for _, p := range senders {
		one := q.of(p)
		one.last = now
		if one.open >= most {
			return "421 4.7.0 too many connections from your address, please come back later"
		}
		most *= wider
	}

	if len(senders) > 0 && !q.of(senders[0]).bucket.AllowN(now, 1) {
		return "421 4.7.0 too many connections from your address in a minute, please come back later"
	}

	for _, p := range senders {
		q.of(p).open++
	}

	return ""
}

// release counts a connection out that enter let in.
func (q *quotas) release(remote net.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.counted(remote) {
		q.of(p).open--
	}
}

// message counts one more message on a connection; false when it is too much.
func (q *quotas) message(remote net.Addr, now time.Time) bool {
	senders := q.counted(remote)
	if len(senders) == 0 {
		return true
	}

	q.mu.Lock()
	defer q.mu.Unlock()

	one := q.of(senders[0])
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
