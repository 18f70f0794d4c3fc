// Package history keeps how well sites were, and what happened to them, in a small SQLite file,
// so that a status page can show the last weeks.
//
// It is a memory for people alone: nothing that mailpub decides depends on it, and the ledger
// knows nothing of it. Losing the file loses the past and no more.
package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Store is an open history file. Safe for concurrent use; two processes may share a file.
type Store struct {
	db   *sql.DB
	file *os.File // the file that was looked at; closing it would end SQLite's own locks (fcntl_locking(2))
	path string
}

// schema is made anew where it is not there. Times are Unix seconds in UTC.
const schema = `
CREATE TABLE IF NOT EXISTS state (
	site  TEXT    NOT NULL,
	since INTEGER NOT NULL,
	until INTEGER NOT NULL,
	state INTEGER NOT NULL,
	PRIMARY KEY (site, since)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
	site    TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	kind    TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	text    TEXT    NOT NULL,
	took    INTEGER NOT NULL -- milliseconds
);
CREATE INDEX IF NOT EXISTS event_of ON event (site, at);
`

// Open opens the file at path, which is made if need be, readable by its owner alone. A file
// that is no SQLite database, or a broken one, is an error that names it; it stays as it is.
func Open(ctx context.Context, path string) (*Store, error) {
	fail := func(err error) (*Store, error) {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}

	if err := durable.MakePrivate(filepath.Dir(path)); err != nil {
		return fail(err)
	}

	f, err := durable.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail(err)
	}

	if err := durable.Inherit(path); err != nil {
		f.Close()
		return fail(err)
	}

	c, err := newConnector(path, f)
	if err != nil {
		f.Close()
		return fail(err)
	}

	s := &Store{db: sql.OpenDB(c), file: f, path: path}
	s.db.SetMaxOpenConns(1) // its memory is worth more than a second reader
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		s.Close()
		return fail(err)
	}

	return s, nil
}

// Close closes the file.
func (s *Store) Close() error { return errors.Join(s.db.Close(), s.file.Close()) }

// AddState notes that a site was in a state at a time. The state holds until the next record, but
// for no longer than valid: a daemon that does not run knows nothing.
func (s *Store) AddState(ctx context.Context, site string, at time.Time, state State, valid time.Duration) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.failed(err)
	}

	defer tx.Rollback()

	var since, until int64
	var last State
	err = tx.QueryRowContext(ctx, `SELECT since, until, state FROM state WHERE site = ? ORDER BY since DESC LIMIT 1`,
		site).Scan(&since, &until, &last)

	now := at.Unix()
	end := at.Add(valid).Unix()
	switch {
	case err == nil && now < since: // the clock was set back: what is known already stays
		return nil
	case err == nil && last == state && now <= until:
		_, err = tx.ExecContext(ctx, `UPDATE state SET until = max(until, ?) WHERE site = ? AND since = ?`,
			end, site, since)
	case err == nil || err == sql.ErrNoRows:
		if _, err = tx.ExecContext(ctx, `UPDATE state SET until = min(until, ?) WHERE site = ? AND since = ?`,
			now, site, since); err == nil {
			_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)`,
				site, now, end, state)
		}
	}

	if err == nil {
		err = tx.Commit()
	}

	return s.failed(err)
}

// AddEvent keeps an event.
func (s *Store) AddEvent(ctx context.Context, e watch.Event) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)`,
		e.Site, e.At.Unix(), string(e.Kind), e.Subject, e.Text, e.Took.Milliseconds())
	return s.failed(err)
}

// Events returns the newest events of a site, newest first, at most so many.
func (s *Store) Events(ctx context.Context, site string, most int) (list []watch.Event, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT at, kind, subject, text, took FROM event WHERE site = ? ORDER BY at DESC, rowid DESC LIMIT ?`,
		site, most)

	if err != nil {
		return nil, s.failed(err)
	}

	defer rows.Close()

	for rows.Next() {
		e := watch.Event{Site: site}
		var at, took int64
		if err := rows.Scan(&at, &e.Kind, &e.Subject, &e.Text, &took); err != nil {
			return nil, s.failed(err)
		}

		e.At = time.Unix(at, 0)
		e.Took = time.Duration(took) * time.Millisecond
		list = append(list, e)
	}

	return list, s.failed(rows.Err())
}

// Prune forgets what ended before a time, and gives the room back.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	for _, q := range []string{`DELETE FROM state WHERE until < ?`,
		`DELETE FROM event WHERE at < ?`} {
		if _, err := s.db.ExecContext(ctx, q, before.Unix()); err != nil {
			return s.failed(err)
		}
	}

	_, err := s.db.ExecContext(ctx, `PRAGMA incremental_vacuum`)
	return s.failed(err)
}

func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("history %s: %w", s.path, err)
}
