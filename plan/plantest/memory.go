package plantest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/mailpub/mailpub/plan"
)

// Memory is a Driver whose world is a map, for tests of what uses drivers. It is not
// atomic: an Interrupt between two changes of a batch leaves the first in place.
type Memory struct {
	OfKind string
	// Interrupt, when set, is called before and after every write; an error from it is
	// returned at once.
	Interrupt func(step string) error

	mu    sync.Mutex
	World map[plan.Key][]string
	Wrote int // number of writes so far
}

// NewMemory returns an empty world of a kind.
func NewMemory(kind string) *Memory {
	return &Memory{OfKind: kind, World: map[plan.Key][]string{}}
}

// Kind implements plan.Driver.
func (m *Memory) Kind() string { return m.OfKind }

// Snapshot returns a copy of the world.
func (m *Memory) Snapshot() map[plan.Key][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.World)
}

// Set puts lines in place, or takes them away when nil, as a stranger would.
func (m *Memory) Set(k plan.Key, lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lines == nil {
		delete(m.World, k)
		return
	}
	m.World[k] = slices.Clone(lines)
}

func (m *Memory) step(name string) error {
	if m.Interrupt == nil {
		return nil
	}
	return m.Interrupt(name)
}

// Read implements plan.Driver.
func (m *Memory) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	var items []plan.Item
	for _, k := range keys {
		if lines, ok := m.World[k]; ok {
			items = append(items, plan.Item{Key: k, Lines: lines})
		}
	}

	return items, ctx.Err()
}

// Apply implements plan.Driver.
func (m *Memory) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	for _, c := range batch {
		if is := m.Snapshot()[c.Key]; !plan.EqualLines(is, c.Before) {
			err := fmt.Errorf("%s: %w: is %q", c.Key, plan.ErrStale, is)
			done(c, err)
			return err
		}
	}

	for _, c := range batch {
		err := ctx.Err()
		if err == nil {
			err = m.step("before write")
		}

		if err == nil {
			m.Set(c.Key, c.After)
			m.Wrote++
			err = m.step("after write")
		}

		if err != nil {
			done(c, err)
			return err
		}

		done(c, nil)
	}

	return nil
}
