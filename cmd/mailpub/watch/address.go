package watch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan/catalog"
)

// following is what is known of a change of the public address that DNS has not followed yet,
// and of those that it followed lately. Its JSON is what is remembered.
type following struct {
	Changes []time.Time `json:"changes,omitempty"` // when DNS followed, within the last hour

	Held bool `json:"held,omitempty"` // it changed too often, and that was said

	Addrs []netip.Addr `json:"addrs,omitempty"` // the new addresses
	Since time.Time    `json:"since,omitzero"`  // when they were seen first
}

// verdict is what becomes of a changed address.
type verdict struct {
	write bool
	again time.Time // when to look again; zero: at the next pass
	held  bool      // too often; to be said once
}

// judge decides whether DNS may follow the public address that was found. Two sources that
// agree are enough; where there is one alone, it has to say the same again after confirm.
func (f *following) judge(found Found, p Policy, now time.Time) verdict {
	if !slices.Equal(f.Addrs, found.Public) {
		f.Addrs, f.Since = slices.Clone(found.Public), now
	}
	f.Changes = slices.DeleteFunc(f.Changes, func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if !agreed(found) && now.Sub(f.Since) < p.Confirm {
		return verdict{again: f.Since.Add(p.Confirm)}
	}
	if len(f.Changes) >= p.ChangesPerHour {
		first := !f.Held
		f.Held = true
		return verdict{held: first, again: f.Changes[0].Add(time.Hour)}
	}
	f.Held = false
	return verdict{write: true}
}

// followed notes that DNS has been written.
func (f *following) followed(now time.Time) {
	f.Changes = append(f.Changes, now)
	f.settled()
}

// settled notes that DNS and the public address agree.
func (f *following) settled() { f.Addrs, f.Since = nil, time.Time{} }

// disputed reports whether sources name different addresses of one family.
func disputed(seen []Sighting) bool {
	return slices.ContainsFunc(seen, func(a Sighting) bool {
		return slices.ContainsFunc(seen, func(b Sighting) bool { return a.Addr != b.Addr && a.Addr.Is4() == b.Addr.Is4() })
	})
}

// dispute says that the sources of the public address do not agree, which is why no more could be
// found out, and what the checks saw of that with it.
func (p *picture) dispute(err error) {
	for subject, t := range p.broken {
		if subject.check == catalog.RouterAddress {
			t.Under = subjectSources()
		}
	}
	p.add(&trouble{Subject: subjectSources(), Got: err.Error(), Hint: "DNS is left as it is until they agree",
		says: "the sources of the public address do not agree"})
}

// agreed reports whether each address that was found out has two sources.
func agreed(found Found) bool {
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
