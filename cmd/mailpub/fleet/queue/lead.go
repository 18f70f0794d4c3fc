package queue

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

type riverTx = pgx.Tx

// Times of the leader.
const (
	tick       = time.Second
	settleTime = store.DeadAfter  // a new leader takes no worker for dead before: all may come back from the same fault
	houseEvery = 30 * time.Second // what was lost of the queue is put there again
	wavesEvery = time.Second
)

// leader decides what is done: one of a fleet's processes at a time. It admits looks as they are due, gives the jobs of dead
// workers to others, and puts into the queue what was lost of it.
type leader struct {
	db     *store.DB
	log    *slog.Logger
	client *Client
	leads  atomic.Bool

	since time.Time // leads since then
	house time.Time // when the house was last in order
	waved time.Time // when the waves were last seen to
}

// run leads whenever nobody else does, until ctx is done.
func (l *leader) run(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := l.db.Lead(ctx)
		if err == nil && conn != nil {
			l.term(ctx, conn)
		}
		sleep(ctx, tick)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// term leads as long as the connection lives that holds the lock.
func (l *leader) term(ctx context.Context, conn *pgx.Conn) {
	defer conn.Close(context.WithoutCancel(ctx))
	defer l.leads.Store(false)

	l.leads.Store(true)
	l.since = time.Now()
	l.house = time.Time{}
	l.log.Info("leads the fleet")

	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := l.tick(bounded, conn)
		cancel()

		if err != nil && ctx.Err() == nil {
			l.log.Warn("no longer leads the fleet", "error", err)
			return
		}

		sleep(ctx, tick)
	}
}

// tick does what is due, on the connection that holds the lock: whoever has lost that decides nothing.
func (l *leader) tick(ctx context.Context, conn *pgx.Conn) error {
	if time.Since(l.since) > settleTime {
		if err := l.rescue(ctx, conn); err != nil {
			return err
		}
	}

	if time.Since(l.house) > houseEvery {
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return l.keepHouse(ctx, tx) }); err != nil {
			return err
		}
		l.house = time.Now()
	}

	if time.Since(l.waved) > wavesEvery {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return l.waves(ctx, tx) })
		if err != nil && conn.IsClosed() {
			return err
		}
		if err != nil {
			l.log.Error("the waves stand still", "error", err)
		}
		l.waved = time.Now()
	}

	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return l.admit(ctx, tx) })
}

// rescueDead and waitingLooks are the only statements that know River's table: its own rescue takes an hour by default, and
// does not know of workers.
const (
	rescueDead = `UPDATE river.river_job SET scheduled_at = now(),
		state = CASE WHEN attempt < max_attempts THEN 'available' ELSE 'discarded' END::river.river_job_state,
		finalized_at = CASE WHEN attempt < max_attempts THEN NULL ELSE now() END
		WHERE state = 'running' AND NOT attempted_by[array_upper(attempted_by, 1)] = ANY ($1)`
	waitingLooks = `SELECT count(*) FROM river.river_job WHERE queue = 'looks' AND state IN ('available', 'running', 'retryable')`
)

// rescue gives the jobs of workers that are silent to those that live.
func (l *leader) rescue(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		live, _, err := store.LiveWorkers(ctx, tx)
		if err != nil || len(live) == 0 {
			return err
		}

		done, err := tx.Exec(ctx, rescueDead, live)
		if err == nil && done.RowsAffected() > 0 {
			l.log.Warn("a worker is silent: others do its jobs", "jobs", done.RowsAffected())
		}

		return err
	})
}

// admit puts looks that are due into the queue: no more than the workers have places for twice, so that what is urgent is
// near the front, and everything that waits is in our own table.
func (l *leader) admit(ctx context.Context, tx pgx.Tx) error {
	_, slots, err := store.LiveWorkers(ctx, tx)
	if err != nil {
		return err
	}

	var waiting int
	if err := tx.QueryRow(ctx, waitingLooks).Scan(&waiting); err != nil {
		return err
	}

	room := 2*slots - waiting
	if room <= 0 {
		return nil
	}

	due, err := store.TakeDue(ctx, tx, room)
	if err != nil {
		return err
	}

	jobs := make([]river.InsertManyParams, 0, len(due))
	for _, d := range due {
		jobs = append(jobs, lookJob(d))
	}

	return l.client.insert(ctx, tx, jobs...)
}

// keepHouse puts what people wait for into the queue again where it was lost, and has old things forgotten.
func (l *leader) keepHouse(ctx context.Context, tx pgx.Tx) error {
	wanted, approved, err := store.OpenPlans(ctx, tx)
	if err != nil {
		return err
	}

	notices, err := store.OpenNotices(ctx, tx)
	if err != nil {
		return err
	}

	jobs := []river.InsertManyParams{tidyJob()}
	for _, id := range wanted {
		jobs = append(jobs, planJob(id))
	}

	for _, id := range approved {
		jobs = append(jobs, applyJob(id))
	}

	for _, id := range notices {
		jobs = append(jobs, tellJob(id))
	}

	return l.client.insert(ctx, tx, jobs...)
}
