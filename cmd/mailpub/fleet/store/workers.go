package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Times after which a worker is believed to be dead.
const (
	BeatEvery = 5 * time.Second
	DeadAfter = 15 * time.Second
)

// Worker is a process that looks at sites.
type Worker struct {
	ID      string
	Host    string
	Version string
	Slots   int // looks at the same time
	Started time.Time
	Beat    time.Time
	Leader  bool // decides what is looked at
}

// Beat says that a worker lives.
func (db *DB) Beat(ctx context.Context, w Worker) error {
	const beat = `INSERT INTO worker (id, host, version, slots, leader) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET beat = now(), leader = excluded.leader, slots = excluded.slots`
	_, err := db.Pool.Exec(ctx, beat, w.ID, w.Host, w.Version, w.Slots, w.Leader)
	return err
}

// Leave says that a worker ends.
func (db *DB) Leave(ctx context.Context, id string) error {
	_, err := db.Pool.Exec(ctx, "DELETE FROM worker WHERE id = $1", id)
	return err
}

// Workers are those that live, and those that died within the hour.
func (db *DB) Workers(ctx context.Context) ([]Worker, error) {
	const list = `SELECT id, host, version, slots, started, beat, leader AND beat > now() - $1::interval FROM worker
		WHERE beat > now() - interval '1 hour' ORDER BY id`
	rows, err := db.Pool.Query(ctx, list, DeadAfter)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Worker])
}

// LiveWorkers returns the ids of those that live, and how many looks they do at the same time.
func LiveWorkers(ctx context.Context, tx pgx.Tx) (ids []string, slots int, err error) {
	rows, err := tx.Query(ctx, "SELECT id, slots FROM worker WHERE beat > now() - $1::interval",
		DeadAfter)

	if err != nil {
		return nil, 0, err
	}

	var id string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		ids = append(ids, id)
		slots += n
		return nil
	})

	return ids, slots, err
}

// leaderLock is held by the one process that decides what is looked at.
const leaderLock = 0x6d70_0002

// Lead tries to become the leader. The leadership lasts as long as the returned connection, which the caller closes; nil: there is
// another leader.
func (db *DB) Lead(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, db.Pool.Config().ConnConfig)
	if err != nil {
		return nil, withoutURL(err)
	}

	var got bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(leaderLock)).Scan(&got)
	if err != nil || !got {
		conn.Close(ctx)
		return nil, err
	}

	return conn, nil
}

// Tidy forgets what is older than it is kept: history, notices and workers.
func (db *DB) Tidy(ctx context.Context, keep time.Duration) error {
	for _, statement := range []string{
		"DELETE FROM history WHERE at < now() - $1::interval",
		"DELETE FROM notice WHERE state <> 'open' AND made < now() - $1::interval",
		"DELETE FROM worker WHERE beat < now() - $1::interval",
	} {
		if _, err := db.Pool.Exec(ctx, statement, keep); err != nil {
			return err
		}
	}

	return nil
}
