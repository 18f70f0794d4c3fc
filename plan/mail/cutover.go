package mail

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// CutoverFormat names the form of an encoded Cutover.
const CutoverFormat = "mailpub/cutover/v1"

// Cutover is the account of a move of live records: their TTL is lowered, the old one runs
// out everywhere, the data is changed, and the TTL goes back up. It outlives the process.
type Cutover struct {
	Format string        `json:"format"`
	Site   string        `json:"site"`
	TTL    int           `json:"ttl"` // seconds, while the move is under way
	Moving []MovingRRset `json:"moving"`
	Since  time.Time     `json:"since,omitzero"` // when the lower TTL was in place everywhere; zero: not yet
}

// MovingRRset is one RRset of a Cutover.
type MovingRRset struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	TTL  int    `json:"ttl"` // seconds, that resolvers may remember it for
}

// Key returns the RRset's key.
func (m MovingRRset) Key() plan.Key { return plan.Key{Kind: m.Kind, Name: m.Name} }

// Until is when nobody remembers the old records any more; zero while the TTL is not lowered
// everywhere.
func (c *Cutover) Until() time.Time {
	if c.Since.IsZero() {
		return time.Time{}
	}

	longest := 0
	for _, m := range c.Moving {
		longest = max(longest, m.TTL)
	}

	return c.Since.Add(time.Duration(longest) * time.Second)
}

// TTLs are those that the moving records had, by key.
func (c *Cutover) TTLs() map[plan.Key]int {
	ttls := make(map[plan.Key]int, len(c.Moving))
	for _, m := range c.Moving {
		ttls[m.Key()] = m.TTL
	}
	return ttls
}

// IsMoving reports whether the key is one of those that move.
func (c *Cutover) IsMoving(k plan.Key) bool {
	return slices.ContainsFunc(c.Moving, func(m MovingRRset) bool { return m.Key() == k })
}

// DecodeCutover reads a Cutover of a site. It fails on another format and another site.
func DecodeCutover(data []byte, site string) (*Cutover, error) {
	var c Cutover
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	if c.Format != CutoverFormat {
		return nil, fmt.Errorf("format is %q, want %q", c.Format, CutoverFormat)
	}
	if c.Site != site {
		return nil, fmt.Errorf("is of site %q, not %q", c.Site, site)
	}

	return &c, nil
}

// MovingChanges returns the changes that give live addresses or mail exchangers other data: what
// resolvers remember of those leads to the old place.
func MovingChanges(changes []plan.Change) (movers []plan.Change) {
	for _, c := range changes {
		_, rrtype, _, err := SplitDNSKey(c.Key)
		if err != nil || c.Action != plan.Update || c.Release {
			continue
		}

		if (rrtype == "A" || rrtype == "AAAA" || rrtype == "MX") &&
			!slices.Equal(withTTL(c.Before, -1), withTTL(c.After, -1)) {
			movers = append(movers, c)
		}
	}

	return movers
}

// NewCutover returns the account of moving movers with a lower TTL in seconds, and the changes
// that lower it; no changes where no TTL is higher.
func NewCutover(site string, movers []plan.Change, ttl int) (*Cutover, []plan.Change) {
	c := &Cutover{Format: CutoverFormat, Site: site, TTL: ttl}
	var lower []plan.Change
	for _, m := range movers {
		old := 0
		for _, l := range m.Before {
			_, t := SplitRecordLine(l)
			old = max(old, t)
		}

		c.Moving = append(c.Moving, MovingRRset{m.Key.Kind, m.Key.Name, old})
		if old > ttl {
			m.After = withTTL(m.Before, ttl)
			m.Reason = "resolvers must not cache the old one for long when it changes"
			lower = append(lower, m)
		}
	}

	return c, lower
}

// WithLowTTL returns the changes with the moving ones kept at the lower TTL.
func (c *Cutover) WithLowTTL(changes []plan.Change) []plan.Change {
	out := slices.Clone(changes)
	for i, ch := range out {
		if c.IsMoving(ch.Key) && ch.After != nil && !ch.Release {
			out[i].After = withTTL(ch.After, c.TTL)
		}
	}

	return slices.DeleteFunc(out, func(ch plan.Change) bool {
		return ch.Writes() && !ch.Renew && plan.EqualLines(ch.Before, ch.After)
	})
}

// withTTL returns record lines with another TTL, sorted as they were made; none when ttl is
// negative.
func withTTL(lines []string, ttl int) (out []string) {
	for _, l := range lines {
		data, _ := SplitRecordLine(l)
		out = append(out, RecordLine(data, ttl))
	}
	slices.Sort(out)
	return out
}
