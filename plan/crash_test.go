package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

// testTime is now, for what does not depend on it.
var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// killed is what the process dies of.
type killed struct{}

// disk is a store that forgets nothing but what was not saved: the ledger is encoded,
// as in a file.
type disk struct {
	data  []byte
	saves int
	step  func(string) error
}

func (d *disk) Save(l *plan.Ledger) error {
	if err := d.step("before save"); err != nil {
		return err
	}

	data, err := json.Marshal(l)
	if err != nil {
		return err
	}

	d.data = data
	d.saves++
	return d.step("after save")
}

func (d *disk) ledger(t *rapid.T) *plan.Ledger {
	l := plan.NewLedger("site")
	if d.data != nil {
		if err := json.Unmarshal(d.data, l); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// land is a whole world with its ledger: three parties, any of which can be the last
// thing that a process touched.
type land struct {
	parties []plan.Party
	drivers []*plantest.Memory
	disk    *disk
	left    int // steps until the process is killed; below 0: it lives
}

var stages = []plan.Stage{plan.StageService, plan.StageForward, plan.StageMail}

func newLand() *land {
	l := &land{left: -1}
	l.disk = &disk{step: l.step}
	for _, kind := range []string{"service", "forward", "dns"} {
		m := plantest.NewMemory(kind)
		m.Interrupt = l.step
		l.drivers = append(l.drivers, m)
		l.parties = append(l.parties, plan.Party{
			Target: plan.ParseTarget("the " + kind),
			Driver: m,
		})
	}

	return l
}

func (l *land) step(string) error {
	if l.left == 0 {
		panic(killed{})
	}
	l.left--
	return nil
}

// run plans and applies in a process that may be killed.
func (l *land) run(t *rapid.T, adopt bool) (p *plan.Plan, died bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			died = true
		}
	}()

	ledger := l.disk.ledger(t)
	p, err = plan.Make(context.Background(), l.parties, ledger, testTime)
	if err == nil {
		err = plan.Apply(context.Background(), p, l.parties, ledger, l.disk,
			plan.Options{Adopt: adopt})
	}

	return p, false, err
}

// settle lets processes die at drawn steps until one lives. The config may change
// before each of them.
func (l *land) settle(t *rapid.T, config func(*rapid.T)) {
	config(t)
	for range rapid.IntRange(0, 3).Draw(t, "deaths") {
		l.left = rapid.IntRange(0, 25).Draw(t, "steps")
		if _, _, err := l.run(t, true); err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "config changes") {
			config(t)
		}
	}

	l.left = -1
	if _, _, err := l.run(t, true); err != nil {
		t.Fatal(err)
	}
}

func (l *land) snapshot() (all []map[plan.Key][]string) {
	for _, d := range l.drivers {
		all = append(all, d.Snapshot())
	}
	return all
}

// want draws what a config may ask for, some of it in texts that others' things stay in.
func (l *land) want(t *rapid.T) {
	for i := range l.parties {
		l.parties[i].Wanted = nil
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 5, rapid.ID).Draw(t,
			"wanted") {
			it := plan.Item{
				Key:    keyOf(l.drivers[i], n),
				Stage:  stages[i],
				Reason: "drawn",
				Lines:  []string{rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "text")},
			}

			if n == 5 {
				it.Merge = mergeWords(it.Lines[0])
			}

			l.parties[i].Wanted = append(l.parties[i].Wanted, it)
		}
	}
}

func keyOf(d *plantest.Memory, n int) plan.Key {
	return plan.Key{Kind: d.OfKind, Name: fmt.Sprintf("k%d", n)}
}

// mergeWords adds a word to a line of others' words.
func mergeWords(word string) plan.Merge {
	return func(observed, last, prior []string) []string {
		before := strings.Fields(strings.Join(prior, " "))
		words := []string{word}
		for _, line := range observed {
			for _, w := range strings.Fields(line) {
				if w != word && (slices.Contains(before, w) || !slices.Contains(last, w)) {
					words = append(words, w)
				}
			}
		}

		slices.Sort(words)
		return []string{strings.Join(words, " ")}
	}
}

func (l *land) populate(t *rapid.T) {
	for _, d := range l.drivers {
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 0, 6, rapid.ID).Draw(t,
			"strangers") {
			d.Set(keyOf(d, n), []string{rapid.SampledFrom([]string{"x", "old",
				"foreign"}).Draw(t, "foreign text")})
		}
	}
}

// The process is killed anywhere between any read and any write, again and again,
// while the config changes. Each time one lives to the end, all is as wanted; and
// when everything is taken away in the end, the world is what it was.
func TestKilledAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLand()
		l.populate(t)
		before := l.snapshot()

		for range rapid.IntRange(1, 3).Draw(t, "configs") {
			l.settle(t, l.want)
			l.expectWanted(t, before)
		}

		l.settle(t, func(*rapid.T) {
			for i := range l.parties {
				l.parties[i].Wanted = nil
			}
		})

		if after := l.snapshot(); !reflect.DeepEqual(before, after) {
			t.Fatalf("not as it was:\nbefore %v\nafter  %v", before, after)
		}

		if n := l.disk.ledger(t).Len(); n != 0 {
			t.Fatalf("%d entries are left in the ledger", n)
		}
	})
}

// expectWanted checks that the world is the wanted text where something is wanted and what
// strangers had everywhere else, and that another run writes nothing at all.
func (l *land) expectWanted(t *rapid.T, before []map[plan.Key][]string) {
	for i, p := range l.parties {
		want := maps.Clone(before[i])
		for _, w := range p.Wanted {
			want[w.Key] = w.Lines
			if w.Merge != nil {
				want[w.Key] = w.Merge(before[i][w.Key], nil, nil)
			}
		}

		if got := l.drivers[i].Snapshot(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\ngot  %v\nwant %v\nledger %s", p.Target.String(), got, want,
				l.disk.data)
		}
	}

	saves := l.disk.saves
	writes := l.writes()
	p, _, err := l.run(t, false)
	if err != nil || p.Differs() || l.disk.saves != saves || l.writes() != writes {
		t.Fatalf("a second apply: %v, %d changes, %d saves, %d writes", err, len(p.Changes),
			l.disk.saves-saves, l.writes()-writes)
	}
}

func (l *land) writes() (n int) {
	for _, d := range l.drivers {
		n += d.Wrote
	}
	return n
}

// Strangers change things between runs and nobody gives consent: whatever a stranger
// put in place stays to the letter, and a run that would touch it writes nothing.
func TestNoConsent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLand()
		l.populate(t)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			if rapid.Bool().Draw(t, "config changes") {
				l.want(t)
			}

			theirs := map[plan.Key]string{}
			for _, d := range l.drivers {
				for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 2,
					rapid.ID).Draw(t, "edited") {
					text := fmt.Sprintf("edit %d", rapid.IntRange(0, 999).Draw(t, "edit"))
					d.Set(keyOf(d, n), []string{text})
					theirs[keyOf(d, n)] = text
				}
			}

			writes := l.writes()
			l.left = rapid.IntRange(-1, 25).Draw(t, "steps")
			p, died, err := l.run(t, false)
			l.left = -1

			if refused := errors.Is(err, plan.ErrConsent); !died &&
				refused != (len(p.Takeovers()) > 0) || refused && l.writes() != writes {
				t.Fatalf("error %v, %d adoptions, %d writes", err, len(p.Takeovers()),
					l.writes()-writes)
			}

			for _, d := range l.drivers {
				for k, lines := range d.Snapshot() {
					if text, edited := theirs[k]; edited && lines[0] != text {
						t.Fatalf("%s was %q, now %q", k, text, lines)
					}
				}
			}
		}
	})
}
