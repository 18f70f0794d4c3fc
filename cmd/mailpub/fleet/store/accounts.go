package store

import (
	"context"
	"time"
)

// StoredAccount is an account at a DNS provider, as all workers share it.
type StoredAccount struct {
	ID        string // the provider, and a digest of the credentials
	Provider  string
	PerSecond float64 // calls
	Burst     float64 // calls at once
}

// Lease is the leave to make some calls.
type Lease struct {
	Calls   int           // 0: none now
	Wait    time.Duration // then ask again
	Blocked time.Time     // the provider takes no calls before; zero: it does
}

// Lease takes at most so many calls of an account's, of which all workers of the fleet have a part.
func (db *DB) Lease(ctx context.Context, a StoredAccount, calls int) (l Lease, err error) {
	const enter = `INSERT INTO account (id, provider, per_second, burst, tokens) VALUES ($1, $2, $3, $4, $4)
		ON CONFLICT (id) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst
		WHERE account.per_second <> excluded.per_second OR account.burst <> excluded.burst`

	if _, err := db.Pool.Exec(ctx, enter, a.ID, a.Provider, a.PerSecond, a.Burst); err != nil {
		return l, err
	}

	const take = `
		WITH locked AS (
			SELECT *, clock_timestamp() AS moment FROM account WHERE id = $1 FOR UPDATE
		), has AS (
			SELECT *, least(burst, tokens + greatest(extract(epoch FROM moment - at), 0) * per_second) AS have,
				coalesce(greatest(blocked_until, paused_until) > moment, false) AS blocked FROM locked
		), granted AS (
			SELECT *, CASE WHEN blocked THEN 0 ELSE least(floor(have), $2) END AS calls FROM has
		)
		UPDATE account SET tokens = g.have - g.calls, at = greatest(g.moment, account.at) FROM granted g WHERE account.id = g.id
		RETURNING g.calls::int, make_interval(secs => greatest(1 - g.have, 0) / g.per_second),
			CASE WHEN g.blocked THEN greatest(g.blocked_until, g.paused_until) - g.moment END`

	var blocked *time.Duration
	if err := db.Pool.QueryRow(ctx, take, a.ID, calls).Scan(&l.Calls, &l.Wait,
		&blocked); err != nil {
		return l, err
	}

	if blocked != nil {
		l.Blocked = time.Now().Add(*blocked) // by this machine's clock
	}

	return l, nil
}

// Block keeps everybody from an account for a while: its provider said so.
func (db *DB) Block(ctx context.Context, id string, d time.Duration) error {
	const block = `UPDATE account SET blocked_until = greatest(blocked_until, now() + $2::interval), tokens = 0 WHERE id = $1`
	_, err := db.Pool.Exec(ctx, block, id, d)
	return err
}

// UsesAccount notes that a site asks an account, so that it waits where that is blocked.
func (db *DB) UsesAccount(ctx context.Context, site int64, id string) error {
	const note = "UPDATE site SET accounts = array_append(accounts, $2) WHERE id = $1 AND NOT $2 = ANY (accounts)"
	_, err := db.Pool.Exec(ctx, note, site, id)
	return err
}
