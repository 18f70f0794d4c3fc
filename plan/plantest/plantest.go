// Package plantest is the conformance suite that every plan.Driver passes: what plan
// relies on, said as tests.
package plantest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Harness is a driver together with the world it writes to.
type Harness struct {
	Driver plan.Driver

	// Items can all be put in place in this world; none is there at the start. At
	// least two, of different keys.
	Items []plan.Item

	// Other is another valid text for Items[0].
	Other []string

	// Foreign puts lines in place under a key, or takes them away when lines is nil,
	// as a stranger would: not through the driver.
	Foreign func(t *testing.T, key plan.Key, lines []string)

	// Strangers returns everything in the world that belongs to none of Items, in a form that
	// can be compared. Nil where the world holds nothing else.
	Strangers func(t *testing.T) []string
}

// Run runs the suite. newHarness is called once for each test and makes a fresh world.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"absent items are left out", testAbsent},
		{"create, read, delete", testRoundTrip},
		{"update", testUpdate},
		{"what a stranger put there is read", testForeign},
		{"a stale create writes nothing", testStaleCreate},
		{"a stale update writes nothing", testStaleUpdate},
		{"a stale delete writes nothing", testStaleDelete},
		{"one stale change holds up the whole batch", testStaleBatch},
		{"a cancelled context writes nothing", testCancelled},
		{"putting the same text back changes nothing", testRenew},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t)
			if len(h.Items) < 2 || len(h.Other) == 0 {
				t.Fatal("the harness needs two items and another text for the first")
			}

			for _, it := range h.Items {
				if it.Key.Kind != h.Driver.Kind() {
					t.Fatalf("item %v is not of the driver's kind %q", it.Key, h.Driver.Kind())
				}
			}

			before := h.foreignItems(t)
			test.run(t, h)
			if after := h.foreignItems(t); !slices.Equal(before, after) {
				t.Errorf("strangers' things changed:\nbefore %q\nafter  %q", before, after)
			}
		})
	}
}

func (h Harness) foreignItems(t *testing.T) []string {
	if h.Strangers == nil {
		return nil
	}
	return h.Strangers(t)
}

// readAll reads all items' keys through the driver.
func (h Harness) readAll(t *testing.T) map[plan.Key][]string {
	t.Helper()
	var keys []plan.Key
	for _, it := range h.Items {
		keys = append(keys, it.Key)
	}

	items, err := h.Driver.Read(deadline(t), keys)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}

	got := map[plan.Key][]string{}
	for _, it := range items {
		if _, twice := got[it.Key]; twice {
			t.Errorf("Read returned %v twice", it.Key)
		}

		if !slices.Contains(keys, it.Key) {
			t.Errorf("Read returned %v, which was not asked for", it.Key)
		}

		if it.Unreadable != "" {
			t.Errorf("%v is unreadable: %s", it.Key, it.Unreadable)
		}

		got[it.Key] = it.Lines
	}

	return got
}

func (h Harness) expect(t *testing.T, want map[plan.Key][]string) {
	t.Helper()
	got := h.readAll(t)
	for k, lines := range want {
		if !slices.Equal(got[k], lines) {
			t.Errorf("%v is %q, want %q", k, got[k], lines)
		}
		delete(got, k)
	}

	for k, lines := range got {
		t.Errorf("%v is there: %q", k, lines)
	}
}

// apply runs one batch and checks what is reported of it.
func (h Harness) apply(t *testing.T, ctx context.Context, batch ...plan.Change) error {
	t.Helper()
	reported := map[plan.Key]int{}
	failures := 0
	err := h.Driver.Apply(ctx, batch, func(c plan.Change, err error) {
		reported[c.Key]++
		if err != nil {
			failures++
		}
	})

	for k, n := range reported {
		if n != 1 {
			t.Errorf("%v was reported %d times", k, n)
		}
	}

	switch {
	case err == nil && (len(reported) != len(batch) || failures != 0):
		t.Errorf("Apply returned nil, but reported %d of %d changes, %d failed", len(reported),
			len(batch), failures)
	case err != nil && len(reported)-failures == len(batch):
		t.Errorf("Apply returned %v, but reported every change as done", err)
	}

	return err
}

func (h Harness) must(t *testing.T, batch ...plan.Change) {
	t.Helper()
	if err := h.apply(t, deadline(t), batch...); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

func (h Harness) stale(t *testing.T, batch ...plan.Change) {
	t.Helper()
	if err := h.apply(t, deadline(t), batch...); !errors.Is(err, plan.ErrStale) {
		t.Errorf("Apply returned %v, want an error that wraps ErrStale", err)
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func create(it plan.Item) plan.Change {
	return plan.Change{
		Key:    it.Key,
		Action: plan.Create,
		Stage:  it.Stage,
		After:  it.Lines,
		Lease:  it.Lease,
	}
}

func update(it plan.Item, after []string) plan.Change {
	return plan.Change{
		Key:    it.Key,
		Action: plan.Update,
		Stage:  it.Stage,
		Before: it.Lines,
		After:  after,
		Lease:  it.Lease,
	}
}

func remove(it plan.Item) plan.Change {
	return plan.Change{
		Key:     it.Key,
		Action:  plan.Delete,
		Stage:   it.Stage,
		Before:  it.Lines,
		Release: true,
	}
}

func all(items []plan.Item, f func(plan.Item) plan.Change) (batch []plan.Change) {
	for _, it := range items {
		batch = append(batch, f(it))
	}
	return batch
}

func texts(items []plan.Item) map[plan.Key][]string {
	m := map[plan.Key][]string{}
	for _, it := range items {
		m[it.Key] = it.Lines
	}
	return m
}
