package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
)

// Carried is all that files know of a site, as octets: what import takes in and export gives back.
type Carried struct {
	Site    Site
	Ledger  []byte            // nil: none
	States  map[string][]byte // what it remembers, by name
	History []string          // lines
}

// PutCarried takes a site in with all that is known of it, and reports whether anything changed.
func PutCarried(ctx context.Context, tx pgx.Tx, c *Carried) (changed bool, err error) {
	if changed, err = PutSite(ctx, tx, &c.Site, 0); err != nil {
		return false, err
	}

	if c.Ledger != nil {
		const put = `INSERT INTO ledger (site, doc, version) VALUES ($1, $2::text::json, 1)
			ON CONFLICT (site) DO UPDATE SET doc = excluded.doc, version = ledger.version + 1
			WHERE ledger.doc IS NULL OR ledger.doc::text <> excluded.doc::text`

		done, err := tx.Exec(ctx, put, c.Site.ID, string(c.Ledger))
		if err != nil {
			return false, err
		}

		changed = changed || done.RowsAffected() > 0
	}

	for name, doc := range c.States {
		if err := putState(ctx, tx, c.Site.ID, name, doc); err != nil {
			return false, err
		}
	}

	return changed, putHistory(ctx, tx, c.Site.ID, c.History)
}

// putHistory takes in a history where there is none yet.
func putHistory(ctx context.Context, tx pgx.Tx, site int64, lines []string) error {
	var has bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM history WHERE site = $1)",
		site).Scan(&has); err != nil || has {
		return err
	}

	rows := make([][]any, 0, len(lines))
	for _, line := range lines {
		rows = append(rows, []any{site, history.TimeOf(line), line})
	}

	_, err := tx.CopyFrom(ctx, pgx.Identifier{"history"}, []string{"site", "at", "line"},
		pgx.CopyFromRows(rows))

	return err
}

// Carry returns all that is known of a site, as files have it.
func (db *DB) Carry(ctx context.Context, s Site) (c Carried, err error) {
	c.Site = s
	var doc *string
	const ledger = "SELECT (SELECT doc::text FROM ledger WHERE site = $1)"
	if err := db.Pool.QueryRow(ctx, ledger, s.ID).Scan(&doc); err != nil {
		return c, err
	}

	if doc != nil {
		c.Ledger = []byte(*doc)
	}

	if c.States, err = db.States(ctx, s.ID); err != nil {
		return c, err
	}

	for name, doc := range c.States {
		c.States[name] = []byte(strings.TrimSuffix(string(doc), "\n") + "\n")
	}

	c.History, err = PastOf(ctx, db.Pool, s.ID)
	return c, err
}

// Tenant is a customer, or one who has customers.
type Tenant struct {
	Path        string
	Trusted     bool
	PausedUntil *time.Time
	Created     time.Time
}

// AddTenant adds a tenant and those above it, where they are not there.
func AddTenant(ctx context.Context, tx pgx.Tx, path string) error {
	parts := strings.Split(path, "/")
	for i := range parts {
		above := strings.Join(parts[:i+1], "/")
		if above == "" {
			continue
		}
		if _, err := tx.Exec(ctx, "INSERT INTO tenant (path) VALUES ($1) ON CONFLICT DO NOTHING",
			above); err != nil {
			return err
		}
	}

	return nil
}

// TenantAt returns a tenant.
func (db *DB) TenantAt(ctx context.Context, path string) (t Tenant, err error) {
	const one = "SELECT path, trusted, paused_until, created FROM tenant WHERE path = $1"
	err = db.Pool.QueryRow(ctx, one, path).Scan(&t.Path, &t.Trusted, &t.PausedUntil, &t.Created)
	return t, found(err, "tenant %q", path)
}

// Pause has nothing done by itself for a tenant until a time; zero: no longer. What people ask for is done.
func Pause(ctx context.Context, tx pgx.Tx, tenant string, until time.Time) error {
	var at *time.Time
	if !until.IsZero() {
		at = &until
	}

	done, err := tx.Exec(ctx, "UPDATE tenant SET paused_until = $2 WHERE path = $1 OR starts_with(path, $1 || '/')", tenant, at)
	return mustChange(done, err, "tenant %q", tenant)
}

// PauseAccount stops the calls of an account at a provider until a time; zero: no longer.
func PauseAccount(ctx context.Context, tx pgx.Tx, id string, until time.Time) error {
	var at *time.Time
	if !until.IsZero() {
		at = &until
	}

	done, err := tx.Exec(ctx, "UPDATE account SET paused_until = $2 WHERE id = $1", id, at)
	return mustChange(done, err, "account %q", id)
}
