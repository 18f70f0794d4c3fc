package probe

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of what is logged of those who are refused: whoever sends one request after another
// fills no disk.
const (
	noticesEach     = 10 // an address, within noticePeriod
	noticePeriod    = time.Minute
	mostNoticed     = 1024 // addresses that are told apart at a time
	noticesOfOthers = 100  // all others together
)

// refusalLog counts what is logged of refused requests.
type refusalLog struct {
	mu    sync.Mutex
	began time.Time
	seen  map[netip.Prefix]int
	other int
}

// allow reports whether one more line may be logged of an address, and how many were left out in the
// period that has just ended. IPv6 counts by /64.
func (n *refusalLog) allow(addr netip.Addr, now time.Time) (ok bool, leftOut int) {
	n.mu.Lock()
	defer n.mu.Unlock()

	if n.seen == nil || now.Sub(n.began) >= noticePeriod || now.Before(n.began) {
		for _, count := range n.seen {
			leftOut += max(count-noticesEach, 0)
		}
		leftOut += max(n.other-noticesOfOthers, 0)
		n.began = now
		n.seen = map[netip.Prefix]int{}
		n.other = 0
	}

	who := network(addr)
	if _, known := n.seen[who]; !known && len(n.seen) >= mostNoticed {
		n.other++
		return n.other <= noticesOfOthers, leftOut
	}

	n.seen[who]++
	return n.seen[who] <= noticesEach, leftOut
}

// network is what counts as one address: all of a /64 of IPv6, which one machine can have to itself.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}

	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}

	return p
}
