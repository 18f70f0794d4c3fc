package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mailpub/mailpub/plan"
)

// lockClass sets the locks of sites apart from others of the database.
const lockClass = 0x6d70

// saveTime bounds a Save, which is done also when the command was broken off.
const saveTime = 10 * time.Second

// Ledger keeps the ledger of one site as one document. It implements plan.Backend.
//
// The lock is PostgreSQL's advisory lock of a session, so that it is free when its holder or the way to it dies. The
// document's version is the fence: who lost the lock and does not know it can't save any more, and plan.Apply writes
// nothing elsewhere before it has saved.
type Ledger struct {
	DB   *DB
	Site int64
	Name string // of the site, as its ledger says
}

// Read implements plan.Backend.
func (b Ledger) Read(ctx context.Context) (*plan.Ledger, error) {
	l, _, err := b.read(ctx, b.DB.Pool)
	return l, err
}

func (b Ledger) read(ctx context.Context, q querier) (*plan.Ledger, int64, error) {
	var version int64
	var doc []byte
	err := q.QueryRow(ctx, "SELECT version, doc::text FROM mailpub.ledger WHERE site = $1",
		b.Site).Scan(&version, &doc)

	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, fmt.Errorf("ledger: %w", err)
	}

	l := plan.NewLedger(b.Name)
	if doc == nil {
		return l, version, nil
	}
	if err := l.UnmarshalJSON(doc); err != nil {
		return nil, 0, fmt.Errorf("the ledger of %s can't be read: %w", b.Name, err)
	}
	if l.Site != b.Name {
		return nil, 0, fmt.Errorf("the ledger of %s is that of site %q", b.Name, l.Site)
	}

	return l, version, nil
}

// Lock implements plan.Backend. The lock has a connection of its own.
func (b Ledger) Lock(ctx context.Context, wait time.Duration) (plan.Lock, error) {
	conn, err := pgx.ConnectConfig(ctx, b.DB.Pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", withoutURL(err))
	}

	held, err := b.lock(ctx, conn, wait)
	if err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}

	return held, nil
}

func (b Ledger) lock(ctx context.Context, conn *pgx.Conn, wait time.Duration) (*ledgerLock, error) {
	if err := b.acquire(ctx, conn, wait); err != nil {
		return nil, err
	}

	const enter = `INSERT INTO ledger (site, holder) VALUES ($1, $2)
		ON CONFLICT (site) DO UPDATE SET holder = excluded.holder`

	holder := b.DB.who + ", since " + time.Now().Format(time.DateTime)
	if _, err := conn.Exec(ctx, enter, b.Site, holder); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}

	l, version, err := b.read(ctx, conn)
	if err != nil {
		return nil, err
	}

	return &ledgerLock{
		of:      b,
		conn:    conn,
		ledger:  l,
		version: version,
	}, nil
}

// acquire takes the lock, or says who has it.
func (b Ledger) acquire(ctx context.Context, conn *pgx.Conn, wait time.Duration) error {
	var got bool
	err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", lockClass,
		int32(b.Site)).Scan(&got)

	if err == nil && !got && wait > 0 {
		got, err = b.waitForLock(ctx, conn, wait)
	}

	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("lock: %w", err)
	case !got:
		return plan.LockedError{Holder: b.holder(ctx)}
	}

	return nil
}

// waitForLock waits in the database, so that nobody has to ask again and again.
func (b Ledger) waitForLock(ctx context.Context, conn *pgx.Conn, wait time.Duration) (bool, error) {
	limit := fmt.Sprintf("SET lock_timeout = %d", max(wait.Milliseconds(), 1))
	if _, err := conn.Exec(ctx, limit); err != nil {
		return false, err
	}

	_, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", lockClass, int32(b.Site))
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == "55P03" { // lock_not_available
		return false, nil
	}

	return err == nil, err
}

func (b Ledger) holder(ctx context.Context) string {
	var who string
	err := b.DB.Pool.QueryRow(ctx, "SELECT holder FROM ledger WHERE site = $1",
		b.Site).Scan(&who)
	if err != nil || who == "" {
		return "another process of the fleet"
	}
	return who
}

// Locked implements plan.Backend.
func (b Ledger) Locked(ctx context.Context) bool {
	const held = `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND classid = $1 AND objid = $2 AND objsubid = 2
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`
	var locked bool
	err := b.DB.Pool.QueryRow(ctx, held, lockClass, uint32(b.Site)).Scan(&locked)
	return err == nil && locked
}

// ledgerLock is a Ledger under its lock.
type ledgerLock struct {
	of      Ledger
	conn    *pgx.Conn
	ledger  *plan.Ledger
	version int64
}

func (l *ledgerLock) Ledger() *plan.Ledger { return l.ledger }

// Save implements plan.Store. Whatever keeps it from knowing that the lock was held is ErrLockLost: then the ledger has to
// be read again before anything is written.
func (l *ledgerLock) Save(ledger *plan.Ledger) error {
	if l.conn == nil {
		return plan.ErrLockLost
	}

	doc, err := json.MarshalIndent(ledger, "", "  ") // as files have it
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()

	const save = "UPDATE ledger SET doc = $1::text::json, version = version + 1 WHERE site = $2 AND version = $3"
	done, err := l.conn.Exec(ctx, save, string(doc)+"\n", l.of.Site, l.version)
	var refused *pgconn.PgError

	switch {
	case errors.As(err, &refused) && !l.conn.IsClosed():
		return fmt.Errorf("ledger: %w", err)
	case err != nil:
		return fmt.Errorf("%w: %w", plan.ErrLockLost, err)
	case done.RowsAffected() == 0:
		return plan.ErrLockLost
	}

	l.version++
	return nil
}

// Unlock implements plan.Lock. The lock goes with its connection.
func (l *ledgerLock) Unlock() error {
	if l.conn == nil {
		return nil
	}

	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()

	conn := l.conn
	l.conn = nil
	conn.Exec(ctx, "SELECT pg_advisory_unlock($1, $2)", lockClass, int32(l.of.Site)) // where it fails, the end of the session frees it
	conn.Close(ctx)

	return nil
}
