//go:build linux

package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

func (db *DB) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Pool.Exec(context.Background(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// take has sites taken that are due, and counts them by tenant.
func (db *DB) take(t testing.TB, most int) map[string]int {
	t.Helper()
	of := map[string]int{}
	err := db.InTx(context.Background(), func(tx pgx.Tx) error {
		due, err := TakeDue(context.Background(), tx, most)
		for _, d := range due {
			var tenant string
			if err := tx.QueryRow(context.Background(),
				"SELECT tenant FROM site WHERE id = $1", d.Site).Scan(&tenant); err != nil {
				return err
			}
			of[tenant]++
		}

		return err
	})

	if err != nil {
		t.Fatal(err)
	}

	return of
}

// many adds tenants with sites that are due.
func (db *DB) many(t testing.TB, tenants, sites int, prefix string, overdue time.Duration) {
	t.Helper()
	db.exec(t, "INSERT INTO tenant (path) SELECT $1 || i FROM generate_series(1, $2) i",
		prefix, tenants)

	db.exec(t, `INSERT INTO site (tenant, name, file, config, digest)
		SELECT $1 || i, 's' || j, 's' || j || '.yaml', '', '' FROM generate_series(1, $2::int) i, generate_series(1, $3::int) j`,
		prefix, tenants, sites)

	db.exec(t, `INSERT INTO due (site, tenant, next) SELECT id, tenant, now() - $2::interval FROM site
		WHERE starts_with(tenant, $1)`, prefix, overdue)
}

// One tenant has 9,000 sites due for an hour, a hundred others have ten each since a second. Each of them has its turn.
func TestFair(t *testing.T) {
	db := open(t)
	db.many(t, 1, 9000, "big", time.Hour)
	db.many(t, 100, 10, "small", time.Second)
	of := db.take(t, 202)

	if len(of) != 101 {
		t.Errorf("%d tenants had their turn, want 101", len(of))
	}

	for tenant, n := range of {
		if n != 2 {
			t.Errorf("%s had %d turns, want 2", tenant, n)
		}
	}

	db.take(t, 8*101)
	if of := db.take(t, 50); of["big1"] != 50 {
		t.Errorf("then the rest: %v", of)
	}
}

// A tenant that is paused, and sites whose account is blocked, wait; what a person asks for comes first.
func TestPausedAndBlocked(t *testing.T) {
	db := open(t)
	db.many(t, 3, 2, "t", time.Second)
	db.exec(t, "UPDATE tenant SET paused_until = now() + interval '1 hour' WHERE path = 't1'")
	db.exec(t, "INSERT INTO account VALUES ('cloudflare:x', 'cloudflare', 1, 1, 1)")
	if err := db.Block(t.Context(), "cloudflare:x", time.Hour); err != nil {
		t.Fatal(err)
	}

	db.exec(t, "UPDATE site SET accounts = '{cloudflare:x}' WHERE tenant = 't2' AND name = 's1'")
	if of := db.take(t, 10); of["t1"] != 0 || of["t2"] != 1 || of["t3"] != 2 {
		t.Errorf("%v", of)
	}

	db.exec(t, "UPDATE tenant SET paused_until = NULL")
	db.exec(t, "UPDATE account SET blocked_until = now() - interval '1 second'")
	if of := db.take(t, 10); of["t1"] != 2 || of["t2"] != 1 {
		t.Errorf("afterwards: %v", of)
	}
}

// A worker's clock is years off. The next look is due by the database's.
func TestClockOfAWorker(t *testing.T) {
	db := open(t)
	id := db.addSite(t, "", "office")
	db.exec(t, "INSERT INTO due (site, tenant, queued_at) VALUES ($1, '', now())", id)

	for _, at := range []time.Time{time.Unix(1, 0),
		time.Date(2091, 1, 1, 0, 0, 0, 0, time.UTC)} {
		l := Look{
			Site:  id,
			State: history.Good,
			At:    at,
			Snapshot: watch.Snapshot{
				Site: "office",
				At:   at,
				Took: time.Second,
				Next: at.Add(15 * time.Minute),
			},
		}

		if err := db.InTx(t.Context(), func(tx pgx.Tx) error {
			return SaveLook(t.Context(), tx, &l)
		}); err != nil {
			t.Fatal(err)
		}

		var left time.Duration
		if err := db.Pool.QueryRow(t.Context(), "SELECT next - now() FROM due WHERE site = $1",
			id).Scan(&left); err != nil {
			t.Fatal(err)
		}

		if left < 14*time.Minute || left > 15*time.Minute {
			t.Errorf("clock at %v: due in %v", at, left)
		}
	}
}

// What is asked for while a look is under way is looked at again at once.
func TestAskedDuringALook(t *testing.T) {
	db := open(t)
	id := db.addSite(t, "", "office")
	db.exec(t, "INSERT INTO due (site, tenant) VALUES ($1, '')", id)
	db.take(t, 1)
	asked, err := db.Asked(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}

	now := time.Now()
	l := Look{
		Site:  id,
		Asked: asked,
		Snapshot: watch.Snapshot{
			At:   now,
			Next: now.Add(time.Hour),
		},
	}

	err = db.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := Ask(t.Context(), tx, id, PrioritySchedule, "the config changed"); err != nil {
			return err
		}
		return SaveLook(t.Context(), tx, &l)
	})

	if err != nil {
		t.Fatal(err)
	}

	if of := db.take(t, 1); of[""] != 1 {
		t.Error("what was asked for during the look is not due")
	}
}
