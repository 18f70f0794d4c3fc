//go:build linux

package store

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open returns a fresh fleet.
func open(t testing.TB) *DB {
	t.Helper()
	return openAt(t, pgtest.Database(t))
}

func openAt(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Connect(context.Background(), url, "a test")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(db.Close)
	if _, err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}

	return db
}

// addSite adds a site with an empty config, and returns its id.
func (db *DB) addSite(t testing.TB, tenant, name string) (id int64) {
	t.Helper()
	err := db.Pool.QueryRow(context.Background(),
		`INSERT INTO site (tenant, name, file, config, digest)
		VALUES ($1, $2, $2 || '.yaml', '', '') ON CONFLICT (tenant, name) DO UPDATE SET digest = '' RETURNING id`,
		tenant, name).Scan(&id)

	if err != nil {
		t.Fatal(err)
	}

	return id
}

func TestMigrate(t *testing.T) {
	url := pgtest.Database(t)
	ctx := t.Context()
	if _, err := Open(ctx, url, "a test"); !errors.Is(err, ErrNoTables) {
		t.Errorf("without tables: %v", err)
	}

	db := openAt(t, url)
	again, err := db.Migrate(ctx)
	if err != nil || again.Names != nil || again.River != 0 || again.From != again.To {
		t.Errorf("a second time: %+v, %v", again, err)
	}

	if _, err := db.Pool.Exec(ctx, "INSERT INTO migration VALUES (999, 'later')"); err != nil {
		t.Fatal(err)
	}

	if _, err := Open(ctx, url, "a test"); !errors.Is(err, ErrNewerTables) {
		t.Errorf("newer tables: %v", err)
	}

	if _, err := db.Migrate(ctx); !errors.Is(err, ErrNewerTables) {
		t.Errorf("newer tables are migrated: %v", err)
	}
}

// The URL may hold a password, and no error shows it.
func TestNoPasswordInErrors(t *testing.T) {
	for _, url := range []string{
		"postgres://mailpub:s3cret@127.0.0.1:1/fleet",
		"postgres://mailpub:s3cret@[::1/fleet",
		"host=127.0.0.1 port=1 password=s3cret",
	} {
		_, err := Open(t.Context(), url, "a test")
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

func TestLedger(t *testing.T) {
	url := pgtest.Database(t)
	first := openAt(t, url)
	var n atomic.Int64
	plantest.RunBackend(t, func(t *testing.T) plantest.Backends {
		tenant := "" // each test has its sites
		if k := n.Add(1); k > 1 {
			tenant = "t" + strings.Repeat("x", int(k))
			if _, err := first.Pool.Exec(t.Context(), "INSERT INTO tenant (path) VALUES ($1)",
				tenant); err != nil {
				t.Fatal(err)
			}
		}

		return plantest.Backends{
			Open: func(t *testing.T, site string) plan.Backend {
				return Ledger{
					DB:   openAt(t, url),
					Site: first.addSite(t, tenant, site),
					Name: site,
				}
			},
			Steal: func(t *testing.T, site string) {
				const end = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
					AND classid = $1 AND objid = $2 AND objsubid = 2`
				if _, err := first.Pool.Exec(t.Context(), end, lockClass,
					uint32(first.addSite(t, tenant, site))); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// While one leads and another migrates, the audit is written: each has a lock of its own.
func TestLocksAreApart(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	leader, err := db.Lead(ctx)
	if err != nil || leader == nil {
		t.Fatalf("nobody leads: %v", err)
	}
	defer leader.Close(context.Background())

	if other, err := db.Lead(ctx); err != nil || other != nil {
		t.Errorf("two lead: %v, %v", other, err)
	}

	lock, err := Ledger{DB: db, Site: db.addSite(t, "", "office"), Name: "office"}.Lock(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()

	if _, err := leader.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(ctx, func(tx pgx.Tx) error {
		return Audit(ctx, tx, AuditEntry{By: Operator("test").Actor, Act: "test"})
	}); err != nil {
		t.Errorf("the audit waits for others: %v", err)
	}
}
