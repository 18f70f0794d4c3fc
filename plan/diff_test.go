package plan

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestDiff says, case by case, what becomes of one thing. A text is written as one
// line; "" is absent.
func TestDiff(t *testing.T) {
	key := Key{"dns", "a.example. A"}
	lines := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}

	type entry struct{ text, pending, prior string }
	for _, c := range []struct {
		name             string
		wanted, observed string
		entry            *entry
		marked           bool
		byHand           string
		unreadable       string

		action  Action // "" for no change
		adopt   bool
		after   string
		keep    *entry // what goes into the ledger at once
		forget  bool
		unseen  bool
		renewed time.Duration // left of the lease
		reason  string
	}{
		{name: "absent", wanted: "new", action: Create, after: "new"},
		{name: "ours and gone", wanted: "new", entry: &entry{text: "new"}, action: Create, after: "new", reason: "is gone"},
		{name: "equal and ours", wanted: "x", observed: "x", entry: &entry{text: "x"}},
		{name: "equal and foreign is taken up, and stays theirs", wanted: "x", observed: "x", keep: &entry{text: "x", prior: "x"}},
		{name: "equal and marked is taken up as ours", wanted: "x", observed: "x", marked: true, keep: &entry{text: "x"}},
		{name: "the write happened before the crash", wanted: "x", observed: "x", entry: &entry{pending: "x"}, keep: &entry{text: "x"}},
		{name: "the same, over a stranger's", wanted: "x", observed: "x", entry: &entry{pending: "x", prior: "old"},
			keep: &entry{text: "x", prior: "old"}},
		{name: "the write did not happen", wanted: "x", observed: "theirs", entry: &entry{pending: "x", prior: "theirs"},
			action: Update, adopt: true, after: "x"},
		{name: "foreign", wanted: "x", observed: "theirs", action: Update, adopt: true, after: "x"},
		{name: "ours, and the config changed", wanted: "new", observed: "old", entry: &entry{text: "old"}, action: Update, after: "new"},
		{name: "ours, changed half way", wanted: "newer", observed: "new", entry: &entry{text: "old", pending: "new"},
			action: Update, after: "newer"},
		{name: "ours, changed by somebody", wanted: "x", observed: "theirs", entry: &entry{text: "x"},
			action: Update, adopt: true, after: "x", reason: "changed since"},
		{name: "marked and different", wanted: "x", observed: "old", marked: true, action: Update, after: "x"},
		{name: "back to what it was, after a crash", wanted: "old", observed: "old", entry: &entry{text: "old", pending: "new"},
			keep: &entry{text: "old"}},
		{name: "unreadable", wanted: "x", unreadable: "server is down", action: Unreadable, after: "x", reason: "server is down"},
		{name: "by hand and absent", wanted: "x", byHand: "do it", action: Manual, after: "x", reason: "do it"},
		{name: "by hand and done", wanted: "x", observed: "x", byHand: "do it"},
		{name: "by hand and nobody can see", wanted: "x", unreadable: "no way", byHand: "do it", action: Manual, after: "x", unseen: true},
		{name: "not wanted, not ours", observed: "theirs"},
		{name: "not wanted, ours", observed: "x", entry: &entry{text: "x"}, action: Delete},
		{name: "not wanted, pending and written", observed: "x", entry: &entry{pending: "x"}, action: Delete},
		{name: "not wanted, pending and never written", observed: "theirs", entry: &entry{pending: "x", prior: "theirs"}, forget: true},
		{name: "not wanted, gone", entry: &entry{text: "x"}, forget: true},
		{name: "not wanted, over a stranger's", observed: "x", entry: &entry{text: "x", prior: "old"},
			action: Update, after: "old", reason: "is restored"},
		{name: "not wanted, a stranger's again", observed: "old", entry: &entry{text: "x", prior: "old"}, forget: true},
		{name: "not wanted, changed by somebody", observed: "theirs", entry: &entry{text: "x"}, action: Manual, reason: "changed since"},
		{name: "not wanted, unreadable", entry: &entry{text: "x"}, unreadable: "server is down", action: Unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ledger := NewLedger("s")
			if e := c.entry; e != nil {
				ledger.Put(Entry{
					Key:     key,
					Target:  ParseTarget("p"),
					Stage:   StageAddress,
					Text:    lines(e.text),
					Pending: lines(e.pending),
					Prior:   lines(e.prior),
				})
			}

			var wanted, observed []Item
			if c.wanted != "" {
				wanted = []Item{{Key: key, Lines: lines(c.wanted), Stage: StageAddress, ByHand: c.byHand}}
			}

			if c.observed != "" || c.unreadable != "" {
				observed = []Item{{Key: key, Lines: lines(c.observed), Unreadable: c.unreadable, Marked: c.marked}}
			}

			d := Diff(Target{Kind: "p"}, wanted, observed, ledger, now)

			if c.action == "" && len(d.Changes) != 0 {
				t.Fatalf("changes: %+v", d.Changes)
			}

			if c.action != "" {
				if len(d.Changes) != 1 {
					t.Fatalf("%d changes, want one", len(d.Changes))
				}

				got := d.Changes[0]
				if got.Action != c.action || got.Adopt != c.adopt || got.Unseen != c.unseen ||
					strings.Join(got.After, "|") != c.after {
					t.Errorf("got %+v", got)
				}

				if !strings.Contains(got.Reason, c.reason) {
					t.Errorf("reason %q does not say %q", got.Reason, c.reason)
				}

				if got.Writes() && strings.Join(got.Before, "|") != c.observed {
					t.Errorf("before is %q, observed was %q", got.Before, c.observed)
				}

				if got.Release != (c.wanted == "") {
					t.Errorf("release is %v", got.Release)
				}
			}

			if c.keep == nil && len(d.Keep) != 0 || c.keep != nil && len(d.Keep) != 1 {
				t.Fatalf("keep %+v", d.Keep)
			}

			if k := c.keep; k != nil {
				e := d.Keep[0]
				if strings.Join(e.Text, "") != k.text || e.Pending != nil ||
					strings.Join(e.Prior, "") != k.prior || e.Target.Kind != "p" {
					t.Errorf("keeps %+v", e)
				}
			}

			if c.forget != (len(d.Forget) == 1) {
				t.Errorf("forgets %v", d.Forget)
			}
		})
	}
}

func TestLeases(t *testing.T) {
	key := Key{"forward", "tcp/25"}
	for _, c := range []struct {
		name     string
		granted  time.Duration // by the ledger; 0: not in it
		age      time.Duration
		observed time.Duration // what the router says is left; 0: it does not say
		renew    string
	}{
		{"fresh", time.Hour, time.Minute, 59 * time.Minute, ""},
		{"exactly half", time.Hour, 30 * time.Minute, 30 * time.Minute, ""},
		{"half gone", time.Hour, 31 * time.Minute, 29 * time.Minute, "29 min left of a lease of 1 h"},
		{"the router says nothing", time.Hour, 31 * time.Minute, 0, "29 min left of a lease of 1 h"},
		{"the router always says all of it", time.Hour, 31 * time.Minute, time.Hour, "29 min left of a lease of 1 h"},
		{"the ledger does not know", 0, 0, 20 * time.Minute, "20 min left of a lease of 2 h"},
		{"granted less than asked for", 2 * time.Minute, 61 * time.Second, 59 * time.Second, "59 s left of a lease of 2 min"},
		{"nobody knows", 0, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ledger := NewLedger("s")
			target := []string{"10.10.10.10:25"}
			if c.granted > 0 {
				ledger.Put(Entry{
					Key:    key,
					Target: ParseTarget("router"),
					Stage:  StageForward,
					Text:   target,
					Grant:  &Grant{Lifetime: c.granted, At: now.Add(-c.age)},
				})
			}

			o := Item{Key: key, Lines: target, Marked: true}
			if c.observed > 0 {
				o.Expires = now.Add(c.observed)
			}

			w := Item{
				Key:   key,
				Lines: target,
				Stage: StageForward,
				Lease: 2 * time.Hour,
			}

			d := Diff(Target{Kind: "router"}, []Item{w}, []Item{o}, ledger, now)
			if c.renew == "" {
				if len(d.Changes) != 0 || d.Unchanged != 1 {
					t.Errorf("got %+v", d.Changes)
				}
				return
			}

			if len(d.Changes) != 1 || !d.Changes[0].Renew || d.Changes[0].Adopt ||
				d.Changes[0].Reason != c.renew {
				t.Errorf("got %+v, want a renewal: %s", d.Changes, c.renew)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	ups := func(stage Stage, party, name string) Change {
		return Change{
			Target: Target{Kind: party},
			Key:    Key{"k", name},
			Stage:  stage,
			Action: Create,
		}
	}

	down := func(stage Stage, party, name string) Change {
		c := ups(stage, party, name)
		c.Action = Delete
		c.Release = true
		return c
	}

	want := []Change{
		ups(StageService, "mail service", "hostname"),
		ups(StageForward, "router", "tcp/25"),
		ups(StageForward, "router", "tcp/110"),
		ups(StageAddress, "zone a", "z A"),
		ups(StageAddress, "zone b", "a A"),
		ups(StageRecord, "zone a", "b TXT"),
		ups(StageMail, "zone a", "a MX"),
		down(StageMail, "zone a", "x MX"),
		down(StageAddress, "zone a", "x A"),
		down(StageForward, "router", "tcp/99"),
		down(StageService, "mail service", "alias x"),
	}

	got := append([]Change{}, want...)
	for i := range got { // a fixed shuffle
		j := (i*7 + 3) % len(got)
		got[i], got[j] = got[j], got[i]
	}

	sortChanges(got, []Target{{Kind: "mail service"}, {Kind: "router"}, {Kind: "zone a"},
		{Kind: "zone b"}})

	for i := range want {
		if got[i].Key != want[i].Key || got[i].Target != want[i].Target {
			t.Errorf("place %d is %s of %s, want %s of %s", i, got[i].Key, got[i].Target,
				want[i].Key, want[i].Target)
		}
	}
}

// A merge that wants nothing where nothing is leaves it so; what stands in the way goes.
func TestMergeToNothing(t *testing.T) {
	fine := func(observed, _, _ []string) []string {
		if len(observed) == 0 || observed[0] == "fine" {
			return observed
		}
		return []string{"fine"}
	}

	k := Key{"service", "x"}
	wanted := []Item{{Key: k, Lines: []string{"fine"}, Merge: fine}}
	for _, c := range []struct {
		observed []Item
		changes  int
	}{
		{nil, 0}, {[]Item{{Key: k, Lines: []string{"fine"}}}, 0},
		{[]Item{{Key: k, Lines: []string{"bad"}}}, 1},
	} {
		d := Diff(Target{Kind: "p"}, wanted, c.observed, NewLedger("s"), now)
		if len(d.Changes) != c.changes || d.Unchanged != 1-c.changes {
			t.Errorf("%+v: %d changes, %d unchanged", c.observed, len(d.Changes), d.Unchanged)
		}
	}
}
