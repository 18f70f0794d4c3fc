package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration is a file of statements, named by its number: 0001_begin.sql. What is released is never changed: a later
// one changes it, and takes away only what the release before no longer needs.
type migration struct {
	number int
	name   string
	text   string
}

func migrations() (all []migration, err error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}

	for i, file := range files {
		name := strings.TrimPrefix(file, "migrations/")
		number, _, _ := strings.Cut(name, "_")
		n, err := strconv.Atoi(number)
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", name, i+1)
		}

		text, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}

		all = append(all, migration{
			number: n,
			name:   name,
			text:   string(text),
		})
	}

	return all, nil
}

// Migrated is what Migrate did.
type Migrated struct {
	From, To int      // numbers of the tables' versions
	Names    []string // of the migrations that were run
	River    int      // how many of River's were
}

// migrateLock keeps two processes from migrating at the same time.
const migrateLock = 0x6d70_0001

// Migrate brings the tables to this program's version, and River's to its own. Done twice it changes nothing. Newer tables
// are an error (ErrNewerTables).
func (db *DB) Migrate(ctx context.Context) (done Migrated, err error) {
	all, err := migrations()
	if err != nil {
		return done, err
	}

	conn, err := db.Pool.Acquire(ctx)
	if err != nil {
		return done, err
	}

	defer conn.Release()

	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return done, err
	}

	defer conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)",
		int64(migrateLock))

	if err := checkServer(ctx, conn); err != nil {
		return done, err
	}

	if done.From, err = tablesVersion(ctx, conn); err != nil {
		return done, err
	}

	done.To = done.From
	if done.From > len(all) {
		return done, newerTables(done.From, len(all))
	}

	for _, m := range all[done.From:] {
		if err := m.run(ctx, conn.Conn()); err != nil {
			return done, fmt.Errorf("migration %s: %w", m.name, err)
		}
		done.To = m.number
		done.Names = append(done.Names, m.name)
	}

	done.River, err = db.migrateRiver(ctx)
	return done, err
}

func (m migration) run(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		const head = `CREATE SCHEMA IF NOT EXISTS mailpub;
			CREATE TABLE IF NOT EXISTS mailpub.migration (
				number int PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now());`

		if _, err := tx.Exec(ctx, head); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, m.text); err != nil {
			return err
		}

		_, err := tx.Exec(ctx, "INSERT INTO migration (number, name) VALUES ($1, $2)",
			m.number, m.name)

		return err
	})
}

func (db *DB) migrateRiver(ctx context.Context) (int, error) {
	if _, err := db.Pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+RiverSchema); err != nil {
		return 0, err
	}

	m, err := rivermigrate.New(riverpgxv5.New(db.Pool), &rivermigrate.Config{
		Schema: RiverSchema,
		Logger: slog.New(slog.DiscardHandler),
	})

	if err != nil {
		return 0, err
	}

	out, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return 0, fmt.Errorf("the tables of River: %w", err)
	}

	return len(out.Versions), nil
}

// Errors of tables that this program does not work with.
var (
	ErrNoTables    = errors.New("the database has no tables of a fleet yet: run mailpub fleet migrate")
	ErrOldTables   = errors.New("the database's tables are older than this mailpub: run mailpub fleet migrate")
	ErrNewerTables = errors.New("the database's tables were made by a newer mailpub: use that version or a later one")
)

func newerTables(is, want int) error {
	return fmt.Errorf("%w (they have version %d, this mailpub knows %d)", ErrNewerTables, is,
		want)
}

// checkSchema checks that the tables are those of this program. The program before works with them too, as a migration
// takes away only what that one does not need.
func (db *DB) checkSchema(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}

	is, err := tablesVersion(ctx, db.Pool)
	switch {
	case err != nil:
		return err
	case is == 0:
		return ErrNoTables
	case is < len(all):
		return ErrOldTables
	case is > len(all)+1:
		return newerTables(is, len(all))
	}

	return nil
}

// tablesVersion is the number of the last migration; 0 where there are no tables.
func tablesVersion(ctx context.Context, q querier) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM mailpub.migration").Scan(&n)
	var failed *pgconn.PgError
	if errors.As(err, &failed) && (failed.Code == "42P01" || failed.Code == "3F000") { // no such table or schema
		return 0, nil
	}
	return n, err
}

// oldestServer is the least version of PostgreSQL, as it numbers itself.
const oldestServer = 150000

func checkServer(ctx context.Context, q querier) error {
	var version string
	if err := q.QueryRow(ctx, "SHOW server_version_num").Scan(&version); err != nil {
		return err
	}

	n, err := strconv.Atoi(version)
	if err == nil && n < oldestServer {
		err = fmt.Errorf("PostgreSQL %d.%d is too old, want 15 or newer", n/10000, n%10000)
	}

	return err
}

// Open connects to a database, as the URL or the PG* variables of the environment say, and checks that its tables are
// those that this program knows. who names the process for others. The error never holds a password.
func Open(ctx context.Context, url, who string) (*DB, error) {
	db, err := Connect(ctx, url, who)
	if err != nil {
		return nil, err
	}

	if err := db.checkSchema(ctx); err != nil {
		db.Close()
		return nil, err
	}

	return db, nil
}
