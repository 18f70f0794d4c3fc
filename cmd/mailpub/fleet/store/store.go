// Package store keeps a fleet in PostgreSQL: sites with their configs, ledgers and past, what is due, plans
// and who approved them. It needs PostgreSQL 15 or newer.
//
// It knows tables and nothing of jobs: what River's tables say may be lost at any time, and what is here
// says what to do again. Only the operator's roles reach it directly; people come through the API, under
// row-level security.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is that of the fleet's tables, RiverSchema that of its jobs, both in the same database, so that a job and what
// it is about are committed together.
const (
	Schema      = "mailpub"
	RiverSchema = "river"
)

// Connections is the most that a process has beside one for each lock that it holds.
const Connections = 12

// DB is a fleet's database. It is safe for concurrent use.
type DB struct {
	Pool *pgxpool.Pool
	who  string // "fleet work on mail2, process 812", for those who wait for a lock
}

// Connect is Open without the look at the tables.
func Connect(ctx context.Context, url, who string) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's URL can't be read: want postgres://USER@HOST/DATABASE")
	}

	config.MaxConns = max(config.MaxConns, Connections)
	config.ConnConfig.RuntimeParams["search_path"] = Schema
	config.ConnConfig.RuntimeParams["application_name"] = "mailpub"

	for name, value := range keepAlive {
		config.ConnConfig.RuntimeParams[name] = value
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, withoutURL(err)
	}

	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, withoutURL(err)
	}

	return &DB{Pool: pool, who: who}, nil
}

// keepAlive has the server notice within 25 s that a client's machine has vanished, so that its locks are free.
var keepAlive = map[string]string{
	"tcp_keepalives_idle":     "10",
	"tcp_keepalives_interval": "5",
	"tcp_keepalives_count":    "3",
}

// withoutURL is an error of a connection without its URL, which may hold a password.
func withoutURL(err error) error {
	var failed *pgconn.ConnectError
	if errors.As(err, &failed) {
		if cause := errors.Unwrap(failed); cause != nil {
			return fmt.Errorf("no connection to the database %q on %s: %w",
				failed.Config.Database,
				failed.Config.Host, cause)
		}
	}

	return fmt.Errorf("database: %w", err)
}

// Close closes the connections.
func (db *DB) Close() { db.Pool.Close() }

// Who names a process, for locks and logs.
func Who(what string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed machine"
	}
	return fmt.Sprintf("%s on %s, process %d", what, strings.ToLower(host), os.Getpid())
}

// querier is what can be asked: the database, one connection of it, or a transaction, which sees what its role may see.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// InTx runs f in a transaction, which is committed when f returns nil.
func (db *DB) InTx(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.Pool, f)
}

// Now is the database's time, by which everything is due.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	err = db.Pool.QueryRow(ctx, "SELECT now()").Scan(&now)
	return now, err
}

// ErrNotFound means that there is no such thing, or that the one who asks may not know of it.
var ErrNotFound = errors.New("not found")

// found turns pgx.ErrNoRows into an ErrNotFound that names what there is none of.
func found(err error, what string, args ...any) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf(what+": %w", append(args, ErrNotFound)...)
	}
	return err
}

// mustChange fails with an ErrNotFound that names what there is none of, where a statement changed nothing.
func mustChange(done pgconn.CommandTag, err error, what string, args ...any) error {
	if err == nil && done.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return found(err, what, args...)
}

// collect reads rows into structs, column by column.
func collect[T any](rows pgx.Rows) ([]T, error) {
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
