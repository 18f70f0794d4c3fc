package console

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// TenantSettings are what the operator says of a tenant. What is nil stays as it is.
type TenantSettings struct {
	Trusted   *bool
	Approvals *int
}

// SetTenant adds a tenant and those above it where they are missing, and changes what the operator says of it.
func SetTenant(ctx context.Context, db *store.DB, path string, o TenantSettings) error {
	return db.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.AddTenant(ctx, tx, path); err != nil {
			return err
		}

		if o.Trusted != nil {
			if _, err := tx.Exec(ctx, "UPDATE tenant SET trusted = $2 WHERE path = $1", path, *o.Trusted); err != nil {
				return err
			}
		}

		if o.Approvals != nil {
			if err := setApprovals(ctx, tx, path, o.Approvals); err != nil {
				return err
			}
		}

		return store.Audit(ctx, tx, store.AuditEntry{
			By:     store.Operator("command line").Actor,
			Tenant: path,
			Act:    "tenant.set",
		})
	})
}

func setApprovals(ctx context.Context, tx pgx.Tx, path string, n *int) error {
	rules, err := store.RulesAt(ctx, tx, path)
	if err != nil {
		return err
	}

	rules.Approvals = n
	if err := rules.Check(); err != nil {
		return err
	}

	return store.SetRules(ctx, tx, path, rules)
}
