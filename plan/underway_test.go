package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mailpub/mailpub/plan"
)

// account is a driver like those of NAT-PMP and PCP: it can't list what is there, and tells what
// the ledger has granted. What it makes can be renewed and taken away by a word alone that is
// chosen before (a nonce), so that without it the thing would be lost.
type account struct {
	world     map[plan.Key]string // the word that each thing was made with
	known     func(plan.Key) (plan.Grant, bool)
	made      map[plan.Key]plan.Grant
	prepared  map[plan.Key]string
	words     int
	interrupt func(string) error
}

func (a *account) Kind() string { return "forward" }

func (a *account) grant(k plan.Key) (plan.Grant, bool) {
	g, ok := a.made[k]
	if !ok {
		g, ok = a.known(k)
	}
	return g, ok && g.State != ""
}

func (a *account) Read(_ context.Context, keys []plan.Key) (items []plan.Item, err error) {
	for _, k := range keys {
		if _, ok := a.grant(k); ok {
			items = append(items, plan.Item{Key: k, Lines: []string{"here"}, Unverified: true})
		}
	}
	return items, nil
}

func (a *account) Prepare(c plan.Change) *plan.Grant {
	before, _ := a.grant(c.Key)
	a.made[c.Key] = before
	word := before.State

	if word == "" {
		a.words++
		word = fmt.Sprintf("word%d", a.words)
	}

	a.prepared[c.Key] = word
	return &plan.Grant{Lifetime: time.Hour, At: testTime, State: word}
}

func (a *account) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	for _, c := range batch {
		g, ok := a.grant(c.Key)
		if ok != (c.Before != nil) {
			err := fmt.Errorf("%s: %w", c.Key, plan.ErrStale)
			done(c, err)
			return err
		}

		if err := a.interrupt("before write"); err != nil {
			return err
		}

		if c.Action == plan.Delete {
			if a.world[c.Key] == g.State {
				delete(a.world, c.Key)
			}
		} else {
			word := a.prepared[c.Key]
			if held := a.world[c.Key]; held != "" && held != word {
				err := errors.New("somebody else has it")
				done(c, err)
				return err
			}

			a.world[c.Key] = word
			c.Grant = &plan.Grant{Lifetime: time.Hour, At: testTime, State: word}
		}

		if err := a.interrupt("after write"); err != nil {
			return err
		}

		done(c, nil)
	}

	return nil
}

// A process dies anywhere while it makes or takes away what can't be listed. The next one that
// lives leaves everything or nothing, and the ledger says so.
func TestKilledWhereNothingIsListed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world := map[plan.Key]string{}
		left := -1
		step := func(string) error {
			if left == 0 {
				panic(killed{})
			}
			left--
			return nil
		}

		d := &disk{step: step}
		words := 0
		run := func(wanted int) (err error) {
			defer func() {
				if r := recover(); r != nil {
					if _, ok := r.(killed); !ok {
						panic(r)
					}
				}
			}()

			l := d.ledger(t)
			a := &account{
				world:     world,
				known:     l.Grant,
				made:      map[plan.Key]plan.Grant{},
				prepared:  map[plan.Key]string{},
				words:     words,
				interrupt: step,
			}

			defer func() { words = a.words }()

			parties := []plan.Party{{Target: plan.ParseTarget("router"), Driver: a}}
			for n := range wanted {
				parties[0].Wanted = append(parties[0].Wanted, plan.Item{
					Key: plan.Key{
						Kind: "forward",
						Name: fmt.Sprintf("tcp/%d", n+1),
					},
					Stage:  plan.StageForward,
					Lines:  []string{"here"},
					Lease:  time.Hour,
					Reason: "wanted",
				})
			}

			p, err := plan.Make(context.Background(), parties, l, testTime)
			if err == nil {
				err = plan.Apply(context.Background(), p, parties, l, d, plan.Options{})
			}

			return err
		}

		for range rapid.IntRange(1, 4).Draw(t, "configs") {
			wanted := rapid.IntRange(0, 3).Draw(t, "wanted")
			for range rapid.IntRange(0, 3).Draw(t, "deaths") {
				left = rapid.IntRange(0, 12).Draw(t, "steps")
				if err := run(rapid.IntRange(0, 3).Draw(t,
					"wanted by the one that dies")); err != nil {
					t.Fatal(err)
				}
			}

			left = -1
			if err := run(wanted); err != nil {
				t.Fatal(err)
			}

			entries := d.ledger(t).Entries()
			if len(world) != wanted || len(entries) != wanted {
				t.Fatalf("want %d: the world has %v, the ledger %v", wanted, world, entries)
			}

			for _, e := range entries {
				if e.Pending != nil || e.Removing || e.Grant.State != world[e.Key] {
					t.Fatalf("ledger %+v, world %v", e, world)
				}
			}
		}
	})
}

// What is said of things under way, things that can't be seen, and things that can't be read.
func TestUnderWay(t *testing.T) {
	k := plan.Key{Kind: "forward", Name: "tcp/25"}
	wanted := plan.Item{
		Key:    k,
		Stage:  plan.StageForward,
		Lines:  []string{"x"},
		Lease:  time.Hour,
		Reason: "wanted",
	}

	target := plan.ParseTarget("router")
	entry := func(change func(*plan.Entry)) *plan.Ledger {
		l := plan.NewLedger("site")
		e := plan.Entry{
			Key:    k,
			Target: target,
			Stage:  plan.StageForward,
			Text:   []string{"x"},
			Grant: &plan.Grant{
				Lifetime: time.Hour,
				At:       testTime,
			},
		}

		change(&e)
		l.Put(e)
		return l
	}

	nothing := func(*plan.Entry) {}
	removing := func(e *plan.Entry) { e.Removing = true }
	pending := func(e *plan.Entry) { e.Pending = []string{"x"} }

	for _, c := range []struct {
		name   string
		ledger *plan.Ledger
		is     plan.Item
		wanted bool
		action plan.Action // "": none
		reason string
	}{
		{"seen, and a removal was under way", entry(removing), plan.Item{Lines: []string{"x"}}, true, "", ""},
		{"not to be seen, and a removal was under way", entry(removing), plan.Item{Lines: []string{"x"}, Unverified: true}, true, plan.Update, "a removal was under way, and whether it was carried out cannot be seen"},
		{"not to be seen, and a write was under way", entry(pending), plan.Item{Lines: []string{"x"}, Unverified: true}, true, plan.Update, "a write was under way, and whether it was carried out cannot be seen"},
		{"not to be seen, and nothing was under way", entry(nothing), plan.Item{Lines: []string{"x"}, Unverified: true}, true, "", ""},
		{"not wanted, and a removal was under way", entry(removing), plan.Item{Lines: []string{"x"}, Unverified: true}, false, plan.Delete, "no longer wanted"},
		{"again", entry(nothing), plan.Item{Lines: []string{"x"}, Again: "upnp made it"}, true, plan.Update, "upnp made it"},
		{"again, and not known", entry(nothing), plan.Item{Again: "upnp made it"}, true, plan.Create, "upnp made it"},
		{"again, not known and not wanted", entry(nothing), plan.Item{Again: "upnp made it"}, false, plan.Unreadable, "upnp made it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.is.Key = k
			var all []plan.Item
			if c.wanted {
				all = []plan.Item{wanted}
			}

			d := plan.Diff(target, all, []plan.Item{c.is}, c.ledger, testTime)
			if c.action == "" {
				if len(d.Changes) != 0 {
					t.Errorf("changes %+v", d.Changes)
				}

				if e, _ := c.ledger.Get(k); e.Removing &&
					(len(d.Keep) != 1 || d.Keep[0].Removing) {
					t.Errorf("keep %+v, want it no longer under way", d.Keep)
				}

				return
			}

			if len(d.Changes) != 1 || d.Changes[0].Action != c.action ||
				d.Changes[0].Reason != c.reason ||
				len(d.Keep) != 0 && c.ledger.Entries()[0].Removing {
				t.Errorf("changes %+v, keep %+v", d.Changes, d.Keep)
			}
		})
	}
}

func TestUnread(t *testing.T) {
	change := func(a plan.Action, orphan bool) plan.Change {
		return plan.Change{
			Target: plan.ParseTarget("router"),
			Key: plan.Key{
				Kind: "forward",
				Name: "tcp/25",
			},
			Action: a,
			Reason: "silence",
			Orphan: orphan,
		}
	}

	for _, c := range []struct {
		changes []plan.Change
		want    string
	}{
		{nil, ""},
		{[]plan.Change{change(plan.Create, false), change(plan.Manual, false), change(plan.Unreadable, true)}, ""},
		{[]plan.Change{{Action: plan.Unreadable, Unseen: true, Reason: "a person's work, whose name servers are silent"}}, ""},
		{[]plan.Change{change(plan.Create, false), change(plan.Unreadable, false)}, "router: tcp/25 can't be read: silence"},
		{slices.Repeat([]plan.Change{change(plan.Unreadable, false)}, 3), "router: tcp/25 can't be read: silence (and 2 more)"},
	} {
		got := ""
		if err := plan.Unread(c.changes); err != nil {
			got = err.Error()
			if !errors.As(err, new(plan.UnreadError)) {
				t.Errorf("%T", err)
			}
		}

		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A removal that is under way is in the ledger's text, and only then.
func TestRemovingIsKept(t *testing.T) {
	l := plan.NewLedger("site")
	l.Put(plan.Entry{
		Key: plan.Key{
			Kind: "forward",
			Name: "tcp/25",
		},
		Text:     []string{"x"},
		Removing: true,
	})

	l.Put(plan.Entry{Key: plan.Key{Kind: "forward", Name: "tcp/26"}, Text: []string{"x"}})
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}

	var back plan.Ledger
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}

	if e := back.Entries(); !e[0].Removing || e[1].Removing {
		t.Errorf("%s", data)
	}
}
