package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Plan is the difference between a site as it should be and as it is.
type Plan struct {
	Site      string
	Changes   []Change // in the order in which they are carried out
	Unchanged int

	// Scope says which parts of the site the plan is of, in the words of who made it; empty: all.
	Scope []string

	// Failed names the parties that could not be read at all. Such a plan can be
	// looked at but not carried out.
	Failed []PartyError

	// Effects is what the changes of a target alter beyond their own text.
	Effects []Effect

	keep   []Entry
	forget []Key
}

// Effects asks the drivers of parties what changes of theirs alter.
func Effects(ctx context.Context, parties []Party, changes []Change) (all []Effect) {
	for _, p := range parties {
		own := slices.DeleteFunc(slices.Clone(changes), func(c Change) bool {
			return c.Target != p.Target
		})

		f, ok := p.Driver.(EffectDescriber)
		if !ok || !slices.ContainsFunc(own, Change.Writes) {
			continue
		}

		for _, text := range f.Effects(ctx, own) {
			all = append(all, Effect{p.Target, text})
		}
	}

	return all
}

// Effect is what changes alter for those who use a target, in a sentence.
type Effect struct {
	Target Target `json:"party"`
	Text   string `json:"text"`
}

// PartyError says why a party could not be read.
type PartyError struct {
	Target Target
	Err    error
}

func (e PartyError) Error() string { return e.Target.String() + ": " + e.Err.Error() }
func (e PartyError) Unwrap() error { return e.Err }

// Make reads every party, all at the same time, and compares. With no Wanted items in
// any party it is the plan that takes everything away again. A party that can't be
// read is in Failed, and each thing of its is an Unreadable change. The error is ctx's.
func Make(ctx context.Context, parties []Party, ledger *Ledger, now time.Time) (*Plan, error) {
	diffs := make([]Difference, len(parties))
	failed := make([]error, len(parties))
	unfinished := make([][]Change, len(parties))
	effects := make([][]string, len(parties))
	more := make([][]Item, len(parties)) // wanted beside what the parties were given
	var wg sync.WaitGroup
	entries := ledger.byParty()

	for i, p := range parties {
		own := entries[p.Target]
		keys := keysOf(p, own)
		resumer, canResume := p.Driver.(Resumer)

		if len(keys) == 0 && !canResume {
			continue
		}

		wg.Go(func() {
			if canResume {
				unfinished[i] = resumer.Unfinished(ctx)
			}

			if len(keys) == 0 {
				return
			}

			observed, err := p.Driver.Read(ctx, keys)
			if err != nil {
				failed[i] = err
				observed = unreadable(keys, err)
			}

			want := p.Wanted
			if c, ok := p.Driver.(Companion); ok && err == nil {
				more[i], observed = addCompanions(c, p.Wanted, observed, ledger)
				if len(more[i]) > 0 {
					want = slices.Concat(want, more[i])
				}
			}

			diffs[i] = diff(p.Target, want, observed, ledger, slices.Values(own), len(own), now)
			if f, ok := p.Driver.(EffectDescriber); ok && err == nil &&
				slices.ContainsFunc(diffs[i].Changes, Change.Writes) {
				effects[i] = f.Effects(ctx, diffs[i].Changes)
			}
		})
	}

	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	out := &Plan{Site: ledger.Site}
	order := make([]Target, len(parties))
	wanted := map[Key]bool{}

	for i, p := range parties {
		order[i] = p.Target
		if failed[i] != nil {
			out.Failed = append(out.Failed, PartyError{p.Target, failed[i]})
		}

		for _, w := range p.Wanted {
			wanted[w.Key] = true
		}

		for _, c := range unfinished[i] {
			c.Target = p.Target
			c.Passing = true
			out.Changes = append(out.Changes, c)
		}

		for _, w := range more[i] {
			wanted[w.Key] = true
		}

		for _, text := range effects[i] {
			out.Effects = append(out.Effects, Effect{p.Target, text})
		}
	}

	for _, d := range append(diffs, orphans(parties, ledger)) {
		out.add(d, wanted)
	}

	sortChanges(out.Changes, order)
	return out, nil
}

// Companion is a driver that knows what else has to be put in place so that what is wanted takes
// nothing away: the records that only a wildcard gave a name.
type Companion interface {
	// Companions returns the items that are wanted beside these, and what Read saw of
	// them. made reports whether a key is there by mailpub alone: the ledger has it, and nothing of
	// the kind was there before.
	Companions(wanted []Item, made func(Key) bool) (more, observed []Item)
}

// addCompanions asks a driver for what else is wanted, and adds what was seen of it.
func addCompanions(c Companion, wanted, observed []Item, ledger *Ledger) (more, all []Item) {
	more, seen := c.Companions(wanted, func(k Key) bool {
		e := ledger.entries[k]
		return e != nil && e.Prior == nil
	})

	if more == nil {
		return nil, observed
	}

	has := make(map[Key]bool, len(observed))
	for _, o := range observed {
		has[o.Key] = true
	}

	for _, o := range seen {
		if !has[o.Key] {
			observed = append(observed, o)
		}
	}

	return more, observed
}

// add takes up a party's difference. A key that moved to another party is not taken
// away by the one that had it.
func (p *Plan) add(d Difference, wanted map[Key]bool) {
	for _, c := range d.Changes {
		if !c.Release || !wanted[c.Key] {
			p.Changes = append(p.Changes, c)
		}
	}

	for _, k := range d.Forget {
		if !wanted[k] {
			p.forget = append(p.forget, k)
		}
	}

	p.keep = append(p.keep, d.Keep...)
	p.Unchanged += d.Unchanged
}

// keysOf are the keys of what is wanted of a party, and of what the ledger has of it.
func keysOf(p Party, entries []*Entry) []Key {
	keys := make([]Key, 0, len(p.Wanted))
	has := make(map[Key]bool, len(p.Wanted))
	for _, w := range p.Wanted {
		keys = append(keys, w.Key)
		has[w.Key] = true
	}

	for _, e := range entries {
		if !has[e.Key] {
			keys = append(keys, e.Key)
		}
	}

	return keys
}

func unreadable(keys []Key, err error) []Item {
	items := make([]Item, len(keys))
	for i, k := range keys {
		items[i] = Item{Key: k, Unreadable: err.Error()}
	}
	return items
}

// orphans are things in the ledger whose party is no longer in the config, so that
// nobody can take them away.
func orphans(parties []Party, ledger *Ledger) (d Difference) {
	there := map[Target]bool{}
	for _, p := range parties {
		there[p.Target] = true
	}

	for k, e := range ledger.entries {
		if !there[e.Target] {
			d.Changes = append(d.Changes, Change{
				Target:  e.Target,
				Key:     k,
				Stage:   e.Stage,
				Action:  Unreadable,
				Release: true,
				Orphan:  true,
				Reason: fmt.Sprintf("mailpub put it in place, but the config no longer has %s: put that back, then run destroy",
					e.Target),
			})
		}
	}

	return d
}

// Summary counts changes by action, under the names of the JSON contract.
type Summary struct {
	Create     int `json:"create"`
	Update     int `json:"update"`
	Delete     int `json:"delete"`
	Manual     int `json:"manual"`
	Unreadable int `json:"unreadable"`
	Unchanged  int `json:"unchanged"`
}

// Summary counts the plan's changes.
func (p *Plan) Summary() Summary {
	s := Summary{Unchanged: p.Unchanged}
	for _, c := range p.Changes {
		switch c.Action {
		case Create:
			s.Create++
		case Update:
			s.Update++
		case Delete:
			s.Delete++
		case Manual:
			s.Manual++
		default:
			s.Unreadable++
		}
	}

	return s
}

// String says what there is, as "2 to add, 1 manual"; "" where there is nothing.
func (s Summary) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{
		{s.Create, "to add"},
		{s.Update, "to change"},
		{s.Delete, "to remove"},
		{s.Manual, "manual"},
		{s.Unreadable, "not readable"},
		{s.Unchanged, "up to date"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}

	return strings.Join(parts, ", ")
}

// UnreadError says that something of a plan could not be read, so that whether it is as it should
// be is not known.
type UnreadError struct {
	Change Change // the first
	More   int    // how many others there are
}

func (e UnreadError) Error() string {
	text := fmt.Sprintf("%s: %s can't be read: %s", e.Change.Target, e.Change.Key.Name,
		e.Change.Reason)
	if e.More > 0 {
		text += fmt.Sprintf(" (and %d more)", e.More)
	}
	return text
}

// Unread returns an UnreadError if any of some changes could not be read; nil otherwise. What a
// person has to do, and what belongs to a target that the config no longer has, does not
// count.
func Unread(changes []Change) error {
	var first *UnreadError
	for _, c := range changes {
		switch {
		case c.Action != Unreadable || c.Orphan || c.Unseen:
		case first == nil:
			first = &UnreadError{Change: c}
		default:
			first.More++
		}
	}

	if first == nil {
		return nil
	}

	return *first
}

// Differs reports whether any change does, or a party could not be read.
func (p *Plan) Differs() bool {
	return len(p.Failed) > 0 || slices.ContainsFunc(p.Changes, Change.Differs)
}

// Writes returns the number of changes that a driver carries out.
func (p *Plan) Writes() (n int) {
	for _, c := range p.Changes {
		if c.Writes() {
			n++
		}
	}
	return n
}

// AdoptedCount returns the number of things that are as wanted and that apply only writes
// into the ledger.
func (p *Plan) AdoptedCount() int { return len(p.keep) }

// Takeovers returns the changes that would overwrite or remove what others put in place.
func (p *Plan) Takeovers() (cs []Change) {
	for _, c := range p.Changes {
		if c.Adopt && c.Writes() {
			cs = append(cs, c)
		}
	}
	return cs
}
