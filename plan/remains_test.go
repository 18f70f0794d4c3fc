package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailpub/mailpub/plan"
)

// A plan is saved, and the process that carries it out is killed anywhere, again and again. What a plan made
// then still wants is always the rest of the saved one; until a stranger or the config changes something that
// it is about.
func TestRemains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLand()
		l.populate(t)
		l.want(t)
		l.settle(t, func(*rapid.T) {}) // something is in place already
		l.want(t)

		saved := l.saved(t)
		for range rapid.IntRange(0, 3).Draw(t, "kills") {
			l.left = rapid.IntRange(0, 25).Draw(t, "steps before the kill")
			if _, _, err := l.run(t, true); err != nil {
				t.Fatal(err)
			}

			l.left = -1
			if err := saved.Remains(l.plan(t), l.disk.ledger(t)); err != nil {
				t.Fatalf("after a kill: %v", err)
			}
		}

		d := l.drivers[rapid.IntRange(0, len(l.drivers)-1).Draw(t, "party")]
		k := keyOf(d, rapid.IntRange(0, 4).Draw(t, "edited"))
		d.Set(k, []string{"a stranger's"})
		now := l.plan(t)
		about := false
		for _, c := range append(saved.Changes, now.Changes...) {
			about = about || c.Key == k && !c.Release // what is given back is left to the stranger
		}

		if err := saved.Remains(now, l.disk.ledger(t)); about && !errors.Is(err, plan.ErrStale) {
			t.Fatalf("a stranger changed %s: error %v, want stale", k, err)
		}
	})
}

func (l *land) plan(t *rapid.T) *plan.Plan {
	p, err := plan.Make(context.Background(), l.parties, l.disk.ledger(t), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// saved is the plan as it is now, saved and read again.
func (l *land) saved(t *rapid.T) plan.Saved {
	data, err := json.Marshal(l.plan(t))
	if err != nil {
		t.Fatal(err)
	}

	saved, err := plan.DecodeSaved(data)
	if err != nil {
		t.Fatal(err)
	}

	return saved
}
