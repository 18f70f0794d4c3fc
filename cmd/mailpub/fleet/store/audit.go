package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// AuditEntry is what was done, by whom. Entries are only ever added: each has the hash of the one before.
type AuditEntry struct {
	ID     int64
	At     time.Time
	By     Actor
	Tenant string
	Site   string // its path; "" for what is of no site
	Act    string // "site.put", "plan.approve"
	Before string // digests of what was changed
	After  string
	Detail map[string]string
}

// Audit notes what is done in a transaction, so that there is neither one without the other.
func Audit(ctx context.Context, tx pgx.Tx, e AuditEntry) error {
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}

	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}

	const add = "SELECT mailpub.audit_append(nullif($1::bigint, 0), $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)"
	_, err = tx.Exec(ctx, add, e.By.Person, e.By.Name, e.By.Means, e.Tenant, e.Site, e.Act,
		e.Before, e.After,
		string(detail))

	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}

	return nil
}

const auditColumns = "id, at, coalesce(person, 0), by_name, means, tenant, site, act, before, after, detail"

// AuditOf returns entries of a tenant and of those below it, newest first: those before an id (0: all), for
// one site where its path is given. It sees what the transaction's role may see.
func AuditOf(ctx context.Context, tx pgx.Tx, tenant, site string, before int64, most int) ([]AuditEntry, error) {
	rows, err := tx.Query(ctx, "SELECT "+auditColumns+
		` FROM audit WHERE ($1 = '' OR tenant = $1 OR starts_with(tenant, $1 || '/'))
		AND ($2 = '' OR site = $2) AND ($3 = 0 OR id < $3) ORDER BY id DESC LIMIT $4`, tenant,
		site, before, most)

	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e AuditEntry, err error) {
		err = row.Scan(&e.ID, &e.At, &e.By.Person, &e.By.Name, &e.By.Means, &e.Tenant, &e.Site,
			&e.Act, &e.Before,
			&e.After, &e.Detail)
		return e, err
	})
}

// Anchor stands for the audit as it was: kept elsewhere it shows that nothing was cut off at the end.
type Anchor struct {
	ID   int64
	Hash []byte
}

// VerifyAudit recomputes the chain of the audit from its beginning, and returns its end. The error names the
// first entry that was changed, removed or moved. With the end of a former run it also finds entries that
// were cut off.
func (db *DB) VerifyAudit(ctx context.Context, former Anchor) (end Anchor, n int, err error) {
	return verifyAudit(ctx, db.Pool, former)
}

func verifyAudit(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, former Anchor) (end Anchor, n int, err error) {
	const all = `SELECT id, (extract(epoch FROM at) * 1000000)::bigint::text, coalesce(person::text, ''), by_name, means,
		tenant, site, act, before, after, detail::text, former, hash FROM audit ORDER BY id`

	rows, err := q.Query(ctx, all)
	if err != nil {
		return end, 0, err
	}

	defer rows.Close()

	anchored := former.ID == 0
	for rows.Next() {
		var id int64
		var own, hash []byte
		parts := make([]string, 10)
		targets := []any{&id}

		for i := range parts {
			targets = append(targets, &parts[i])
		}

		if err := rows.Scan(append(targets, &own, &hash)...); err != nil {
			return end, n, err
		}

		switch {
		case !bytes.Equal(own, end.Hash):
			return end, n, fmt.Errorf("audit entry %d does not follow entry %d: an entry was removed, added or moved",
				id, end.ID)
		case !bytes.Equal(hash, auditHash(own, parts)):
			return end, n, fmt.Errorf("audit entry %d was changed after it was written", id)
		}

		end = Anchor{ID: id, Hash: hash}
		anchored = anchored || id == former.ID && bytes.Equal(hash, former.Hash)
		n++
	}

	if err := rows.Err(); err != nil {
		return end, n, err
	}
	if !anchored {
		return end, n, fmt.Errorf("audit entry %d of the former check is missing: the audit was cut off or rewritten",
			former.ID)
	}

	return end, n, nil
}

// auditHash is what the function audit_append computes.
func auditHash(former []byte, parts []string) []byte {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	sum := sha256.Sum256(append(bytes.Clone(former), b.String()...))
	return sum[:]
}
