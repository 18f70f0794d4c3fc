package watch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan/catalog"
)

// addressUpdate is what is known of a change of the public address that DNS has not followed yet,
// and of those that it followed lately. Its JSON is what is remembered.
type addressUpdate struct {
	Changes []time.Time `json:"changes,omitempty"` // when DNS followed, within the last hour

	Held bool `json:"held,omitempty"` // it changed too often, and that was said

	Addrs []netip.Addr `json:"addrs,omitempty"` // the new addresses
	Since time.Time    `json:"since,omitzero"`  // when they were seen first
}

// addressDecision is what becomes of a changed address.
type addressDecision struct {
	write bool
	again time.Time // when to look again; zero: at the next pass
	held  bool      // too often; to be said once
}

// decide decides whether DNS may follow the public address that was found. Two sources that
// agree are enough; where there is one alone, it has to say the same again after confirm.
func (f *addressUpdate) decide(found Observation, p Policy, now time.Time) addressDecision {
	if !slices.Equal(f.Addrs, found.Public) {
		f.Addrs = slices.Clone(found.Public)
		f.Since = now
	}

	f.Changes = slices.DeleteFunc(f.Changes, func(at time.Time) bool {
		return now.Sub(at) >= time.Hour
	})

	if !isConfirmedTwice(found) && now.Sub(f.Since) < p.Confirm {
		return addressDecision{again: f.Since.Add(p.Confirm)}
	}

	if len(f.Changes) >= p.ChangesPerHour {
		first := !f.Held
		f.Held = true
		return addressDecision{held: first, again: f.Changes[0].Add(time.Hour)}
	}

	f.Held = false
	return addressDecision{write: true}
}

// markUpdated notes that DNS has been written.
func (f *addressUpdate) markUpdated(now time.Time) {
	f.Changes = append(f.Changes, now)
	f.markInSync()
}

// markInSync notes that DNS and the public address agree.
func (f *addressUpdate) markInSync() {
	f.Addrs = nil
	f.Since = time.Time{}
}

// isDisputed reports whether sources name different addresses of one family.
func isDisputed(seen []AddressAnswer) bool {
	return slices.ContainsFunc(seen, func(a AddressAnswer) bool {
		return slices.ContainsFunc(seen, func(b AddressAnswer) bool {
			return a.Addr != b.Addr && a.Addr.Is4() == b.Addr.Is4()
		})
	})
}

// addDispute says that the sources of the public address disagree, which is why no more could be
// found out, and what the checks saw of that with it.
func (p *passResult) addDispute(err error) {
	for subject, t := range p.broken {
		if subject.check == catalog.RouterAddress {
			t.Under = subjectSources()
		}
	}

	p.add(&problem{
		Subject: subjectSources(),
		Got:     err.Error(),
		Hint:    "DNS is not changed until they agree",
		says:    "the sources of the public address disagree",
	})
}

// isConfirmedTwice reports whether each address that was found out has two sources.
func isConfirmedTwice(found Observation) bool {
	count := map[netip.Addr]map[string]bool{}
	for _, s := range found.Sightings {
		if count[s.Addr] == nil {
			count[s.Addr] = map[string]bool{}
		}
		count[s.Addr][s.Source] = true
	}

	for _, sources := range count {
		if len(sources) < 2 {
			return false
		}
	}

	return true
}
