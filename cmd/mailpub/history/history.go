// Package history keeps how well sites were, and what happened to them, in a small text file for each
// site, so that a status page can show the last weeks.
//
// It is a memory for people alone: nothing that mailpub decides depends on it, and the ledger
// knows nothing of it. Losing the files loses the past and no more.
package history

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/durable"
)

// Keep is how long the past is kept.
const Keep = 31 * 24 * time.Hour

// State is how a site was.
type State int

const (
	Unknown State = iota // nobody looked, or could not
	Good
	Uneasy // mail arrives, and something should be looked at
	Bad
)

// ending is that of the files; the name in front of it is the site's.
const ending = ".jsonl"

// Store is a directory of history files. Safe for concurrent use; another process may read what one writes.
type Store struct {
	dir string

	mu    sync.Mutex
	sites map[string]bool // whose file was seen to be a history
}

// Open opens the directory, which is made if need be, readable by its owner alone.
func Open(_ context.Context, dir string) (*Store, error) {
	if err := durable.MakePrivate(dir); err != nil {
		return nil, fmt.Errorf("history %s: %w", dir, err)
	}
	if err := durable.Inherit(dir); err != nil {
		return nil, fmt.Errorf("history %s: %w", dir, err)
	}
	return &Store{dir: dir, sites: map[string]bool{}}, nil
}

func (s *Store) path(site string) string { return Path(s.dir, site) }

// Path is the file of a site in a directory of histories.
func Path(dir, site string) string { return filepath.Join(dir, site+ending) }

// AddState notes that a site was in a state at a time. The state holds until the next record, but
// for no longer than valid: a daemon that does not run knows nothing.
func (s *Store) AddState(_ context.Context, site string, at time.Time, state State, valid time.Duration) error {
	return s.add(site, stateEntry(at, state, valid))
}

// AddEvent keeps an event.
func (s *Store) AddEvent(_ context.Context, e watch.Event) error {
	return s.add(e.Site, eventEntry(e))
}

// add appends a record. A file that is something else is an error that names it; it stays as it is.
func (s *Store) add(site string, r entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	path := s.path(site)
	if !s.sites[site] {
		if _, _, err := readFile(path); err != nil {
			return err
		}
		s.sites[site] = true
	}

	return appendRecord(path, r)
}

// Events returns the newest events of a site, newest first, at most so many.
func (s *Store) Events(_ context.Context, site string, most int) ([]watch.Event, error) {
	records, _, err := readFile(s.path(site))
	return Past{records}.Events(site, most), err
}

// Prune forgets what ended before a time, and writes what is left as shortly as it can be said.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("history %s: %w", s.dir, err)
	}

	for _, e := range entries {
		site, ours := strings.CutSuffix(e.Name(), ending)
		if !ours {
			continue
		}
		if err := cmp.Or(ctx.Err(), s.pruneSite(site, before.Unix())); err != nil {
			return err
		}
	}

	return nil
}

func (s *Store) pruneSite(site string, before int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	path := s.path(site)
	records, lines, err := readFile(path)
	if err != nil {
		return err
	}

	kept := foldStates(records)
	for _, r := range records {
		if r.Kind != "" {
			kept = append(kept, r)
		}
	}

	kept = slices.DeleteFunc(kept, func(r entry) bool {
		return max(r.At, r.Until) < before
	})

	switch {
	case len(kept) == 0:
		err = os.Remove(path)
	case len(kept) < lines:
		err = writeFile(path, kept)
	}

	if err != nil {
		return fmt.Errorf("history %s: %w", path, err)
	}

	return nil
}
