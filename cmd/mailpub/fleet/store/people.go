package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/plan/lazy"
)

// Person is one who may do something. One without an issuer has tokens only.
type Person struct {
	ID      int64
	Issuer  string // of OpenID Connect
	Subject string
	Name    string
	Email   string
}

// TeamMember is a person with the role at a tenant.
type TeamMember struct {
	Person
	Tenant string
	Role   Role
}

// PutPerson adds a person, or updates the name of one who is known, and returns the id.
func PutPerson(ctx context.Context, tx pgx.Tx, p Person) (id int64, err error) {
	err = tx.QueryRow(ctx, "SELECT person FROM mailpub.person_login($1, $2)", p.Issuer,
		p.Subject).Scan(&id)

	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}

	const add = "INSERT INTO person (issuer, subject, name, email) VALUES ($1, $2, $3, $4)"
	if _, err := tx.Exec(ctx, add, p.Issuer, p.Subject, p.Name, p.Email); err != nil {
		return 0, err
	}

	// Not with RETURNING: the person is in no tenant yet, and so not visible.
	err = tx.QueryRow(ctx, "SELECT currval('mailpub.person_id_seq')").Scan(&id)
	return id, err
}

// PersonByID returns a person whom the transaction's role may see.
func PersonByID(ctx context.Context, tx pgx.Tx, id int64) (p Person, err error) {
	const one = "SELECT id, issuer, subject, name, email FROM person WHERE id = $1"
	err = tx.QueryRow(ctx, one, id).Scan(&p.ID, &p.Issuer, &p.Subject, &p.Name, &p.Email)
	return p, found(err, "person %d", id)
}

// PutMember gives a person a role at a tenant and below; NoRole takes it away.
func PutMember(ctx context.Context, tx pgx.Tx, person int64, tenant string, role Role) error {
	if role == NoRole {
		done, err := tx.Exec(ctx, "DELETE FROM membership WHERE person = $1 AND tenant = $2", person, tenant)
		return mustChange(done, err, "person %d at %q", person, tenant)
	}

	if _, err := ParseRole(role.String()); err != nil {
		return err
	}

	const put = `INSERT INTO membership (person, tenant, role) VALUES ($1, $2, $3)
		ON CONFLICT (person, tenant) DO UPDATE SET role = excluded.role`

	_, err := tx.Exec(ctx, put, person, tenant, role.String())
	return err
}

// TeamMembers returns who has a role at a tenant or below it.
func TeamMembers(ctx context.Context, tx pgx.Tx, tenant string) ([]TeamMember, error) {
	const all = `SELECT p.id, p.issuer, p.subject, p.name, p.email, m.tenant, m.role FROM membership m
		JOIN person p ON p.id = m.person
		WHERE $1 = '' OR m.tenant = $1 OR starts_with(m.tenant, $1 || '/') ORDER BY m.tenant, p.name, p.id`

	rows, err := tx.Query(ctx, all, tenant)
	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m TeamMember, err error) {
		var role string
		if err := row.Scan(&m.ID, &m.Issuer, &m.Subject, &m.Name, &m.Email, &m.Tenant,
			&role); err != nil {
			return m, err
		}
		m.Role, err = ParseRole(role)
		return m, err
	})
}

// rolesOf returns what a person may do, by tenant.
func (db *DB) rolesOf(ctx context.Context, person int64) (map[string]Role, error) {
	rows, err := db.Pool.Query(ctx, "SELECT tenant, role FROM mailpub.person_roles($1)", person)
	if err != nil {
		return nil, err
	}

	all := map[string]Role{}
	var tenant, name string
	_, err = pgx.ForEachRow(rows, []any{&tenant, &name}, func() error {
		role, err := ParseRole(name)
		all[tenant] = role
		return err
	})

	return all, err
}

// ErrLogin means that a token or a person is not known, or no longer.
var ErrLogin = errors.New("the token is not valid, or it has ended")

// LoginPerson returns what a person of an OpenID Connect issuer may do.
func (db *DB) LoginPerson(ctx context.Context, issuer, subject string) (p Principal, err error) {
	err = db.Pool.QueryRow(ctx, "SELECT person, name FROM mailpub.person_login($1, $2)",
		issuer, subject).Scan(&p.Person, &p.Name)

	if errors.Is(err, pgx.ErrNoRows) || issuer == "" {
		return Principal{}, ErrLogin
	}
	if err != nil {
		return Principal{}, err
	}

	p.Means = "browser"
	p.Grants, err = db.rolesOf(ctx, p.Person)
	return p, err
}

// tenantPath are the paths that a tenant can have; the operator's is "".
var tenantPath = lazy.Regexp(`^[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62}){0,7}$`)

// IsTenantPath reports whether a tenant can have a path.
func IsTenantPath(path string) bool { return tenantPath().MatchString(path) }

// NewTenant adds a tenant below one that is there.
func NewTenant(ctx context.Context, tx pgx.Tx, path string) error {
	parent, _ := SplitPath(path)
	if err := VisibleTenant(ctx, tx, parent); err != nil {
		return err
	}

	_, err := tx.Exec(ctx, "INSERT INTO tenant (path) VALUES ($1)", path)
	return err
}

// DeleteTenant removes a tenant that has neither sites nor tenants below it.
func DeleteTenant(ctx context.Context, tx pgx.Tx, path string) error {
	const busy = `SELECT EXISTS (SELECT FROM site WHERE tenant = $1) OR
		EXISTS (SELECT FROM tenant WHERE starts_with(path, $1 || '/'))`

	var used bool
	if err := tx.QueryRow(ctx, busy, path).Scan(&used); err != nil {
		return err
	}
	if used {
		return fmt.Errorf("tenant %q: %w", path, ErrInUse)
	}

	done, err := tx.Exec(ctx, "DELETE FROM tenant WHERE path = $1 AND path <> ''", path)
	return mustChange(done, err, "tenant %q", path)
}

// ErrInUse means that something is left below what was to be removed.
var ErrInUse = errors.New("it still has sites or tenants")

// Tenants returns the tenants that the transaction's role may see, by path.
func Tenants(ctx context.Context, tx pgx.Tx) ([]Tenant, error) {
	rows, err := tx.Query(ctx, "SELECT path, trusted, paused_until, created FROM tenant ORDER BY path")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Tenant])
}

// Session bounds how long a login of a browser lasts.
const Session = 12 * time.Hour

// VisibleTenant fails with ErrNotFound for a tenant that is not there, or not the transaction's to see.
func VisibleTenant(ctx context.Context, tx pgx.Tx, path string) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM tenant WHERE path = $1)", path).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("tenant %q: %w", path, ErrNotFound)
	}
	return nil
}
