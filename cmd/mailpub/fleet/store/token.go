package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// TokenPrefix begins every token, so that programs that look for secrets in texts know them.
const TokenPrefix = "mailpub_"

// Token is what is known of a token. The token itself is shown once, when it is made.
type Token struct {
	ID      string
	Person  int64
	Name    string // of the person
	Tenant  string
	Role    Role
	Note    string
	Expires *time.Time
	Used    *time.Time
	Created time.Time
}

// NewToken makes a token for a person at a tenant and below, and returns its text, which is kept nowhere.
// It never allows more than what the person may do.
func NewToken(ctx context.Context, tx pgx.Tx, t *Token) (text string, err error) {
	id := make([]byte, 6)
	secret := make([]byte, 32)
	rand.Read(id) // never fails
	rand.Read(secret)

	t.ID = hex.EncodeToString(id)
	text = TokenPrefix + t.ID + "_" + base64.RawURLEncoding.EncodeToString(secret)
	sum := sha256.Sum256([]byte(text))
	const add = `INSERT INTO token (id, hash, person, tenant, role, note, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	_, err = tx.Exec(ctx, add, t.ID, sum[:], t.Person, t.Tenant, t.Role.String(), t.Note,
		t.Expires)

	return text, err
}

// Login returns what a token allows. The error wraps ErrLogin for one that is wrong, and says nothing more of it.
func (db *DB) Login(ctx context.Context, text string) (p Principal, err error) {
	rest, ours := strings.CutPrefix(text, TokenPrefix)
	id, _, whole := strings.Cut(rest, "_")
	if !ours || !whole {
		return p, ErrLogin
	}

	var hash []byte
	var tenant, name string
	var expires *time.Time
	var now time.Time
	const find = "SELECT hash, person, name, tenant, role, expires, now FROM mailpub.token_login($1)"
	err = db.Pool.QueryRow(ctx, find, id).Scan(&hash, &p.Person, &p.Name, &tenant, &name,
		&expires, &now)

	sum := sha256.Sum256([]byte(text))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Principal{}, ErrLogin
	case err != nil:
		return Principal{}, err
	case subtle.ConstantTimeCompare(hash, sum[:]) != 1, expires != nil && !now.Before(*expires):
		return Principal{}, ErrLogin
	}

	role, err := ParseRole(name)
	if err != nil {
		return Principal{}, err
	}

	grants, err := db.rolesOf(ctx, p.Person)
	if err != nil {
		return Principal{}, err
	}

	role = min(role, Principal{Grants: grants}.RoleAt(tenant))
	if role == NoRole { // the person left
		return Principal{}, ErrLogin
	}

	p.Means = "token " + id
	p.Grants = map[string]Role{tenant: role}
	_, err = db.Pool.Exec(ctx, "SELECT mailpub.token_used($1)", id)

	return p, err
}

// Tokens returns the tokens of a tenant and of those below it.
func Tokens(ctx context.Context, tx pgx.Tx, tenant string) ([]Token, error) {
	const all = `SELECT t.id, t.person, p.name, t.tenant, t.role, t.note, t.expires, t.used, t.created FROM token t
		JOIN person p ON p.id = t.person
		WHERE $1 = '' OR t.tenant = $1 OR starts_with(t.tenant, $1 || '/') ORDER BY t.tenant, t.created, t.id`

	rows, err := tx.Query(ctx, all, tenant)
	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, scanToken)
}

// TokenAt returns what is known of a token.
func TokenAt(ctx context.Context, tx pgx.Tx, id string) (t Token, err error) {
	const one = `SELECT t.id, t.person, p.name, t.tenant, t.role, t.note, t.expires, t.used, t.created FROM token t
		JOIN person p ON p.id = t.person WHERE t.id = $1`

	rows, err := tx.Query(ctx, one, id)
	if err != nil {
		return t, err
	}

	t, err = pgx.CollectExactlyOneRow(rows, scanToken)
	return t, found(err, "token %q", id)
}

func scanToken(row pgx.CollectableRow) (t Token, err error) {
	var role string
	if err := row.Scan(&t.ID, &t.Person, &t.Name, &t.Tenant, &role, &t.Note, &t.Expires,
		&t.Used, &t.Created); err != nil {
		return t, err
	}
	t.Role, err = ParseRole(role)
	return t, err
}

// DeleteToken ends a token.
func DeleteToken(ctx context.Context, tx pgx.Tx, id string) error {
	done, err := tx.Exec(ctx, "DELETE FROM token WHERE id = $1", id)
	return mustChange(done, err, "token %q", id)
}
