package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/seal"
)

// Secrets are the secrets of tenants, sealed under the operator's key.
type Secrets struct {
	DB  *DB
	Key seal.Key
}

// SecretInfo is what is known of a secret without opening it.
type SecretInfo struct {
	Tenant  string
	Name    string
	Version int64
	Created time.Time
}

// ErrNoKey means that the process has no key to seal with.
var ErrNoKey = errors.New("this process has no key for secrets: start it with --key")

// Put stores a secret of a tenant in a new version, and removes the former ones.
func (s Secrets) Put(ctx context.Context, tx pgx.Tx, tenant, name string, value []byte) (version int64, err error) {
	own, err := s.tenantKey(ctx, tx, tenant)
	if err != nil {
		return 0, err
	}

	// The row of the tenant's key orders writers of the same tenant.
	const next = "SELECT coalesce(max(version), 0) + 1 FROM secret WHERE tenant = $1 AND name = $2"
	if err := tx.QueryRow(ctx, next, tenant, name).Scan(&version); err != nil {
		return 0, err
	}

	where := seal.For{Tenant: tenant, Name: name, Version: version}
	const add = "INSERT INTO secret (tenant, name, version, sealed) VALUES ($1, $2, $3, $4)"
	if _, err := tx.Exec(ctx, add, tenant, name, version, own.Seal(where, value)); err != nil {
		return 0, err
	}

	_, err = tx.Exec(ctx, "DELETE FROM secret WHERE tenant = $1 AND name = $2 AND version < $3",
		tenant, name, version)

	return version, err
}

// tenantKey returns the key of a tenant, which is made where there is none.
func (s Secrets) tenantKey(ctx context.Context, tx pgx.Tx, tenant string) (seal.Key, error) {
	if s.Key.Fingerprint() == "" {
		return seal.Key{}, ErrNoKey
	}

	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(1836056579, hashtext($1))",
		tenant); err != nil {
		return seal.Key{}, err
	}

	var sealed []byte
	err := tx.QueryRow(ctx, "SELECT sealed FROM tenant_key WHERE tenant = $1",
		tenant).Scan(&sealed)

	if err == nil {
		return s.Key.OpenTenantKey(tenant, sealed)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return seal.Key{}, err
	}

	own, sealed, err := s.Key.NewTenantKey(tenant)
	if err != nil {
		return seal.Key{}, err
	}

	_, err = tx.Exec(ctx, "INSERT INTO tenant_key (tenant, sealed) VALUES ($1, $2)", tenant,
		sealed)

	return own, err
}

// Find opens a secret of a tenant. A tenant has its own alone: one of the tenant above could be sent to a
// server of the customer's.
func (s Secrets) Find(ctx context.Context, tenant, name string) (string, error) {
	if s.Key.Fingerprint() == "" {
		return "", ErrNoKey
	}

	const newest = `SELECT k.sealed, s.version, s.sealed FROM secret s JOIN tenant_key k ON k.tenant = s.tenant
		WHERE s.tenant = $1 AND s.name = $2 ORDER BY s.version DESC LIMIT 1`

	var key, sealed []byte
	var version int64
	err := s.DB.Pool.QueryRow(ctx, newest, tenant, name).Scan(&key, &version, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("the tenant has no secret %q: mailpub fleet secret set %s", name,
			name)
	}
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}

	own, err := s.Key.OpenTenantKey(tenant, key)
	if err != nil {
		return "", err
	}

	plain, err := own.Open(seal.For{Tenant: tenant, Name: name, Version: version}, sealed)
	return string(plain), err
}

// SecretsOf returns what is known of the secrets of a tenant.
func SecretsOf(ctx context.Context, tx pgx.Tx, tenant string) ([]SecretInfo, error) {
	const all = `SELECT DISTINCT ON (name) tenant, name, version, created FROM secret WHERE tenant = $1
		ORDER BY name, version DESC`
	rows, err := tx.Query(ctx, all, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[SecretInfo])
}

// DeleteSecret removes a secret in every version.
func DeleteSecret(ctx context.Context, tx pgx.Tx, tenant, name string) error {
	done, err := tx.Exec(ctx, "DELETE FROM secret WHERE tenant = $1 AND name = $2", tenant, name)
	return mustChange(done, err, "secret %q", name)
}

// Rotate seals the keys of all tenants under another operator's key, all or none, and returns how many.
func (s Secrets) Rotate(ctx context.Context, to seal.Key) (n int, err error) {
	err = s.DB.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tenant, sealed FROM tenant_key FOR UPDATE")
		if err != nil {
			return err
		}

		keys := map[string][]byte{}
		var tenant string
		var sealed []byte
		if _, err := pgx.ForEachRow(rows, []any{&tenant, &sealed}, func() error {
			keys[tenant], err = s.Key.Reseal(tenant, sealed, to)
			return err
		}); err != nil {
			return err
		}

		for tenant, sealed := range keys {
			if _, err := tx.Exec(ctx, "UPDATE tenant_key SET sealed = $2 WHERE tenant = $1",
				tenant, sealed); err != nil {
				return err
			}
		}

		n = len(keys)
		return nil
	})

	return n, err
}
