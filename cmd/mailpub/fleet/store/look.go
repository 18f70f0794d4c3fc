package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Look is what a look at a site found, with all that follows: it is written at once or not at all.
type Look struct {
	Site     int64
	Asked    int64 // DB.Asked when it began
	Snapshot watch.Snapshot
	State    history.State
	States   map[string][]byte // what the site remembers, by name, where it changed
	Lines    []string          // of its history
	At       time.Time         // of the lines
	Notices  []Notice
}

// Notice is what one channel of a site is to be told.
type Notice struct {
	ID      int64
	Site    int64
	Channel int // its place in watch.notify
	Notice  watch.Notice
}

// SaveLook writes what a look found, and has the site's next one due. The document is written when it is another one than
// before, the times are always. It fills in the ids of the notices.
func SaveLook(ctx context.Context, tx pgx.Tx, l *Look) error {
	if err := saveSnapshot(ctx, tx, l); err != nil {
		return err
	}

	for name, doc := range l.States {
		if err := putState(ctx, tx, l.Site, name, doc); err != nil {
			return err
		}
	}

	const lines = "INSERT INTO history (site, at, line) SELECT $1, $2, unnest($3::text[])"
	if _, err := tx.Exec(ctx, lines, l.Site, l.At, l.Lines); err != nil {
		return err
	}

	for i := range l.Notices {
		n := &l.Notices[i]
		doc, err := json.Marshal(n.Notice)
		if err != nil {
			return err
		}

		n.Site = l.Site
		err = tx.QueryRow(ctx, "INSERT INTO notice (site, channel, doc) VALUES ($1, $2, $3::text::json) RETURNING id", l.Site,
			n.Channel, string(doc)).Scan(&n.ID)

		if err != nil {
			return err
		}
	}

	return scheduleNext(ctx, tx, l)
}

// scheduleNext has a site due after as long as its pass asked for, by the database's clock. What was asked for while it
// was looked at stays due.
func scheduleNext(ctx context.Context, tx pgx.Tx, l *Look) error {
	pause := max(l.Snapshot.Next.Sub(l.Snapshot.At.Add(l.Snapshot.Took)), time.Second)
	const next = `UPDATE due SET queued_at = NULL,
		priority = CASE WHEN asked = $4 THEN $3 ELSE priority END,
		next = CASE WHEN asked = $4 THEN now() + $2::interval ELSE now() END WHERE site = $1`
	_, err := tx.Exec(ctx, next, l.Site, pause, PrioritySchedule, l.Asked)
	return err
}

func saveSnapshot(ctx context.Context, tx pgx.Tx, l *Look) error {
	still := l.Snapshot // without its times, which are columns
	still.At = time.Time{}
	still.Took = 0
	still.Next = time.Time{}

	doc, err := still.Encode()
	if err != nil {
		return err
	}

	sum := sha256.Sum256(doc)
	digest := hex.EncodeToString(sum[:16])
	const touch = `UPDATE look SET state = $2, at = $3, took = $4, next = $5,
		since = CASE WHEN state = $2 THEN since ELSE $3 END WHERE site = $1 AND digest = $6`

	args := []any{l.Site, l.State, l.Snapshot.At, l.Snapshot.Took, l.Snapshot.Next, digest}
	done, err := tx.Exec(ctx, touch, args...)
	if err != nil || done.RowsAffected() > 0 {
		return err
	}

	const put = `INSERT INTO look (site, state, at, took, next, since, digest, doc)
		VALUES ($1, $2, $3, $4, $5, $3, $6, $7::text::json)
		ON CONFLICT (site) DO UPDATE SET state = $2, at = $3, took = $4, next = $5, digest = $6, doc = excluded.doc,
		since = CASE WHEN look.state = $2 THEN look.since ELSE $3 END`

	_, err = tx.Exec(ctx, put, append(args, string(doc))...)
	return err
}

// Seen is how a site was seen last.
type Seen struct {
	Snapshot watch.Snapshot
	State    history.State
	Since    time.Time // of the state
}

func scanSeen(row pgx.Row, site int64) (seen Seen, err error) {
	var doc []byte
	var at, next time.Time
	var took time.Duration
	if err := row.Scan(&seen.State, &at, &took, &next, &seen.Since, &doc); err != nil {
		return seen, found(err, "the status of site %d", site)
	}

	if seen.Snapshot, err = watch.DecodeSnapshot(doc); err != nil {
		return seen, fmt.Errorf("the snapshot of site %d cannot be read: %w", site, err)
	}

	seen.Snapshot.At = at
	seen.Snapshot.Took = took
	seen.Snapshot.Next = next

	return seen, nil
}

// States returns all that a site remembers.
func (db *DB) States(ctx context.Context, site int64) (map[string][]byte, error) {
	rows, err := db.Pool.Query(ctx, "SELECT name, doc::text FROM state WHERE site = $1", site)
	if err != nil {
		return nil, err
	}

	all := map[string][]byte{}
	var name, doc string
	_, err = pgx.ForEachRow(rows, []any{&name, &doc}, func() error {
		all[name] = []byte(doc)
		return nil
	})

	return all, err
}

func putState(ctx context.Context, tx pgx.Tx, site int64, name string, doc []byte) error {
	const put = `INSERT INTO state (site, name, doc) VALUES ($1, $2, $3::text::json)
		ON CONFLICT (site, name) DO UPDATE SET doc = excluded.doc`
	_, err := tx.Exec(ctx, put, site, name, string(doc))
	return err
}

// TakeNotice returns a notice that is still to be sent; ErrNotFound where it was sent or given up.
func (db *DB) TakeNotice(ctx context.Context, id int64) (n Notice, err error) {
	var doc []byte
	const take = "SELECT id, site, channel, doc::text FROM notice WHERE id = $1 AND state = 'open'"
	if err := db.Pool.QueryRow(ctx, take, id).Scan(&n.ID, &n.Site, &n.Channel,
		&doc); err != nil {
		return n, found(err, "notice %d", id)
	}
	return n, json.Unmarshal(doc, &n.Notice)
}

// EndNotice notes that a notice was sent, or with an error that it was given up.
func (db *DB) EndNotice(ctx context.Context, id int64, failed error) error {
	state := "sent"
	text := ""
	if failed != nil {
		state = "given-up"
		text = failed.Error()
	}

	_, err := db.Pool.Exec(ctx, "UPDATE notice SET state = $2, error = $3 WHERE id = $1", id,
		state, text)

	return err
}

// SeenOf returns the last look at a site.
func SeenOf(ctx context.Context, tx pgx.Tx, site int64) (Seen, error) {
	const last = "SELECT state, at, took, next, since, doc::text FROM look WHERE site = $1"
	return scanSeen(tx.QueryRow(ctx, last, site), site)
}

// PastOf returns the lines of a site's history.
func PastOf(ctx context.Context, q querier, site int64) ([]string, error) {
	rows, err := q.Query(ctx, "SELECT line FROM history WHERE site = $1 ORDER BY id", site)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
