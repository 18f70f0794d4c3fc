package plan

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Difference is what Diff finds.
type Difference struct {
	Changes   []Change
	Unchanged int

	// Keep and Forget are for the ledger alone and write nothing elsewhere: things that are
	// right already and become mailpub's, and entries whose thing is gone.
	Keep   []Entry
	Forget []Key
}

// Diff compares what is wanted of a party with what was observed there. It is a pure
// function: it reads no clock and asks nobody. Changes come in no particular order.
//
// wanted and observed hold each key at most once. Entries of the ledger that belong
// to this party and are no longer wanted are taken away, or put back to what was
// there before; what is not in the ledger is never removed.
func Diff(party Target, wanted, observed []Item, ledger *Ledger, now time.Time) Difference {
	own := func(yield func(*Entry) bool) {
		for _, e := range ledger.entries {
			if e.Target == party && !yield(e) {
				return
			}
		}
	}

	return diff(party, wanted, observed, ledger, own, len(ledger.entries), now)
}

// diff is Diff with the party's entries of the ledger, which are at most so many.
func diff(party Target, wanted, observed []Item, ledger *Ledger, own iter.Seq[*Entry], most int, now time.Time) Difference {
	var d Difference
	seen := make(map[Key]int32, len(observed))
	for i := range observed {
		seen[observed[i].Key] = int32(i)
	}

	is := func(k Key) *Item {
		if i, ok := seen[k]; ok {
			return &observed[i]
		}
		return nil
	}

	if most == 0 { // the first time: whatever is right already comes into the ledger
		d.Keep = make([]Entry, 0, len(wanted))
	}

	known := 0
	for i := range wanted {
		w := &wanted[i]
		e := ledger.entries[w.Key]
		if e != nil && e.Target == party {
			known++
		}
		d.wanted(party, w, is(w.Key), e, now)
	}

	if known == most {
		return d
	}

	want := make(map[Key]struct{}, len(wanted))
	for i := range wanted {
		want[wanted[i].Key] = struct{}{}
	}

	for e := range own {
		if _, still := want[e.Key]; !still {
			d.unwanted(*e, is(e.Key))
		}
	}

	return d
}

// isOurs reports whether the observed text is mailpub's own.
func (e Entry) isOurs(o *Item) bool {
	return e.Text != nil && EqualLines(o.Lines, e.Text) ||
		e.Pending != nil && EqualLines(o.Lines, e.Pending)
}

// lapsed reports whether the lease of what was there has run out.
func (e Entry) lapsed(now time.Time) bool {
	return e.Grant != nil && e.Grant.Lifetime > 0 && now.After(e.Grant.Expires())
}

// isCurrent reports whether the entry says already what there is to say of o.
func (e *Entry) isCurrent(party Target, w, o *Item) bool {
	return EqualLines(e.Text, o.Lines) && !e.underWay() && e.Target == party &&
		e.Stage == w.Stage
}

func (d *Difference) wanted(party Target, w, o *Item, known *Entry, now time.Time) {
	if known != nil && o != nil && w.Merge == nil && w.Lease == 0 && o.Unreadable == "" &&
		o.Again == "" && o.Fixed == "" && w.ByHand == "" &&
		EqualLines(w.Lines, o.Lines) && known.isCurrent(party, w, o) {
		d.Unchanged++ // nearly everything, nearly always
		return
	}

	var e Entry
	if known != nil {
		e = *known
	}

	c := Change{
		Target: party,
		Key:    w.Key,
		Stage:  w.Stage,
		After:  w.Lines,
		Reason: w.Reason,
		Lease:  w.Lease,
	}

	if o != nil && o.Unreadable == "" {
		c.Before = o.Lines
	}

	if w.Merge != nil {
		c.Base = w.Lines
		c.After = w.Merge(c.Before, e.Base, e.Prior)
	}

	if w.Fit != nil && len(c.Before) > 0 {
		c.After = w.Fit(c.Before, w.Lines)
	}

	switch {
	case o != nil && o.Fixed != "" && o.Unreadable == "":
		d.fixed(c, w, o)
		return
	case o != nil && o.Silent && w.ByHand != "":
		c.Action = Unreadable
		c.Unseen = true
		c.Reason = o.Unreadable + "; where it is not there: " + w.ByHand
	case o != nil && o.Unreadable != "" && w.ByHand != "":
		c.Action = Manual
		c.Unseen = true
		c.Reason = w.ByHand
	case o != nil && o.Unreadable != "":
		c.Action = Unreadable
		c.Reason = o.Unreadable
	case o == nil && len(c.After) == 0: // a merge that has nothing to add to nothing
		d.Unchanged++
		return
	case EqualLines(c.Before, c.After):
		d.inPlace(c, w, o, e, known != nil, now)
		return
	case w.ByHand != "":
		c.Action = Manual
		c.Reason = w.ByHand
	case o == nil || o.Again != "" && len(o.Lines) == 0:
		c.Action = Create
		switch {
		case o != nil:
			c.Reason = o.Again
		case e.Text != nil && !e.Removing && e.lapsed(now):
			c.Lapsed = true
			c.Reason = fmt.Sprintf("its lease of %s ran out %s ago; %s",
				FormatDuration(e.Grant.Lifetime), FormatDuration(now.Sub(e.Grant.Expires())),
				w.Reason)
		case e.Text != nil && !e.Removing:
			c.Reason = "was put in place and is gone; " + w.Reason
		}
	default:
		c.Action = Update
		c.Adopt = !o.Marked && !e.isOurs(o)
		if c.Adopt && e.Text != nil {
			c.Reason = "changed since mailpub created it; " + w.Reason
		}
	}

	d.Changes = append(d.Changes, c)
}

// fixed handles what is kept elsewhere: never mailpub's, whatever it says.
func (d *Difference) fixed(c Change, w, o *Item) {
	if EqualLines(c.Before, c.After) {
		d.Unchanged++
		return
	}

	c.Action = Manual
	c.Reason = o.Fixed
	if w.Reason != "" {
		c.Reason += "; wanted: " + w.Reason
	}

	d.Changes = append(d.Changes, c)
}

// inPlace handles what is as wanted: it may still have to be renewed, or be written
// into the ledger.
func (d *Difference) inPlace(c Change, w, o *Item, e Entry, known bool, now time.Time) {
	if w.ByHand != "" { // a person's work, so never mailpub's to take away
		d.Unchanged++
		return
	}

	if c.Reason = renewal(w, o, e, known, now); c.Reason != "" {
		c.Action = Update
		c.Renew = true
		d.Changes = append(d.Changes, c)
		if o.Unverified && e.underWay() {
			return // whose end only the change will tell
		}
	} else {
		d.Unchanged++
	}

	if known && e.isCurrent(c.Target, w, o) && EqualLines(e.Base, c.Base) {
		return
	}

	if !o.Marked && !(known && (e.Text != nil || EqualLines(e.Pending, o.Lines))) {
		e.Prior = o.Lines
	}

	e.Key = w.Key
	e.Target = c.Target
	e.Stage = c.Stage
	e.Text = o.Lines
	e.Pending = nil
	e.Base = c.Base
	e.Removing = false
	d.Keep = append(d.Keep, e)
}

// renewal says why something whose text is right has to be written once more; "" if it does not.
func renewal(w, o *Item, e Entry, known bool, now time.Time) string {
	switch {
	case o.Again != "":
		return o.Again
	case o.Unverified && known && e.Removing:
		return "a removal was under way, and whether it was carried out cannot be seen"
	case o.Unverified && known && e.Pending != nil:
		return "a write was under way, and whether it was carried out cannot be seen"
	}

	if left, lifetime, due := leaseDue(w, o, e, now); due {
		return fmt.Sprintf("%s left of a lease of %s", FormatDuration(left),
			FormatDuration(lifetime))
	}

	return ""
}

// leaseDue reports whether half of the lease is gone. Some routers always list the
// whole lease as what is left, so the ledger's account counts too.
func leaseDue(w, o *Item, e Entry, now time.Time) (left, lifetime time.Duration, due bool) {
	if o.Lifetime > 0 {
		left = max(o.Expires.Sub(now), 0)
		return left, o.Lifetime, left < o.Lifetime/2
	}

	lifetime = w.Lease
	expires := o.Expires
	if g := e.Grant; g != nil && g.Lifetime > 0 {
		lifetime = g.Lifetime
		if expires.IsZero() || g.Expires().Before(expires) {
			expires = g.Expires()
		}
	}

	if lifetime <= 0 || expires.IsZero() {
		return 0, 0, false
	}

	left = max(expires.Sub(now), 0)
	return left, lifetime, left < lifetime/2
}

// FormatDuration writes a duration as people say it, its two largest units: "6 d 23 h", "59 min",
// "30 s".
func FormatDuration(d time.Duration) string {
	d = d.Round(time.Second)
	var parts []string
	for _, u := range []struct {
		unit string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.unit))
			d -= n * u.size
		}
	}

	if len(parts) == 0 {
		return "nothing"
	}

	return strings.Join(parts[:min(2, len(parts))], " ")
}

// ConfigDuration writes a duration as a config has it, without zeros at its end: "1h" and not "1h0m0s".
func ConfigDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}

	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}

	return s
}

func (d *Difference) unwanted(e Entry, o *Item) {
	c := Change{
		Target:  e.Target,
		Key:     e.Key,
		Stage:   e.Stage,
		Release: true,
	}

	switch {
	case o == nil || o.Unreadable == "" && e.Prior != nil &&
		EqualLines(o.Lines, e.Prior), o.Fixed != "":
		d.Forget = append(d.Forget, e.Key)
		return
	case o.Unreadable != "":
		c.Action = Unreadable
		c.Reason = o.Unreadable
	case o.Again != "" && len(o.Lines) == 0: // it may be there
		c.Action = Unreadable
		c.Reason = o.Again
	case !o.Marked && !e.isOurs(o) && e.Text == nil:
		d.Forget = append(d.Forget, e.Key) // the write never happened
		return
	case !o.Marked && !e.isOurs(o):
		c.Action = Manual
		c.Before = o.Lines
		c.Reason = "no longer wanted, but changed since mailpub created it: remove it if it is not in use"
	case e.Prior != nil:
		c.Action = Update
		c.Before = o.Lines
		c.After = e.Prior
		c.Reason = "no longer wanted: the former value is restored"
	default:
		c.Action = Delete
		c.Before = o.Lines
		c.Reason = "no longer wanted"
	}

	d.Changes = append(d.Changes, c)
}

// sortChanges puts changes into the safe order: what is put in place, by stage from
// the lowest; then what is taken away, by stage from the highest. Within a stage the
// changes of a party stay together, so that they can be one batch.
func sortChanges(changes []Change, parties []Target) {
	rank := make(map[Target]int, len(parties))
	for i, p := range parties {
		rank[p] = i
	}

	slices.SortFunc(changes, func(a, b Change) int {
		if a.Release != b.Release {
			if b.Release {
				return -1
			}
			return 1
		}

		sign := 1
		if a.Release {
			sign = -1
		}

		if a.Stage != b.Stage {
			return sign * (int(a.Stage) - int(b.Stage))
		}
		if a.Target != b.Target {
			return sign * (rank[a.Target] - rank[b.Target])
		}

		return compareNatural(a.Key.Name, b.Key.Name)
	})
}

// compareNatural compares names so that "tcp/110" comes after "tcp/25".
func compareNatural(a, b string) int {
	pa, na := trailingNumber(a)
	pb, nb := trailingNumber(b)
	if pa == pb && na != nb {
		return na - nb
	}
	return strings.Compare(a, b)
}

func trailingNumber(s string) (prefix string, n int) {
	i := len(s)
	for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' && len(s)-i < 9 {
		i--
	}

	for _, c := range s[i:] {
		n = n*10 + int(c-'0')
	}

	return s[:i], n
}
