package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Priorities of looks, the most urgent first.
const (
	PriorityAsked    = 2 // a person waits
	PriorityNews     = 3 // something changed
	PrioritySchedule = 4
)

// requeueAfter is when a look that was put into the queue, and of which nothing was heard, is due again: what River's
// tables lost is put there anew.
const requeueAfter = 10 * time.Minute

// Ask has a site looked at as soon as possible.
func Ask(ctx context.Context, tx pgx.Tx, site int64, priority int, why string) error {
	const ask = `UPDATE due SET next = least(next, now()), priority = least(priority, $2), why = $3, asked = asked + 1,
		queued_at = CASE WHEN priority > $2 THEN NULL ELSE queued_at END WHERE site = $1`
	_, err := tx.Exec(ctx, ask, site, priority, why)
	return err
}

// DueSite is a site whose turn it is.
type DueSite struct {
	Site     int64
	Priority int
	Why      string
}

// TakeDue marks at most so many of the sites that are due as queued, and returns them. The tenants take turns, so that
// one with thousands of sites does not hold up the others; those of a tenant come by urgency and then by how long
// they have been due. Tenants and accounts that are paused are left out, as are accounts whose provider has said that it
// was asked too often.
func TakeDue(ctx context.Context, tx pgx.Tx, most int) ([]DueSite, error) {
	const again = "UPDATE due SET queued_at = NULL WHERE queued_at < now() - $1::interval"
	if _, err := tx.Exec(ctx, again, requeueAfter); err != nil {
		return nil, err
	}

	const take = `
		WITH turns AS (
			SELECT d.site, d.priority, row_number() OVER (PARTITION BY d.tenant ORDER BY d.priority, d.next, d.site) AS turn
			FROM due d JOIN tenant t ON t.path = d.tenant
			WHERE d.next <= now() AND d.queued_at IS NULL AND (t.paused_until IS NULL OR t.paused_until <= now())
			  AND NOT EXISTS (SELECT FROM site s JOIN account a ON a.id = ANY (s.accounts)
				WHERE s.id = d.site AND (a.blocked_until > now() OR a.paused_until > now()))
		), chosen AS (
			SELECT site FROM turns ORDER BY turn, priority, site LIMIT $1
		)
		UPDATE due d SET queued_at = now() FROM chosen WHERE d.site = chosen.site
		RETURNING d.site, d.priority, d.why`

	rows, err := tx.Query(ctx, take, most)
	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, pgx.RowToStructByPos[DueSite])
}

// Asked is how often a site was asked for. A look that begins reads it, for SaveLook.
func (db *DB) Asked(ctx context.Context, site int64) (n int64, err error) {
	err = db.Pool.QueryRow(ctx, "SELECT asked FROM due WHERE site = $1", site).Scan(&n)
	return n, found(err, "site %d", site)
}
