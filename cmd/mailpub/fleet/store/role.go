package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Role is what a person may do at a tenant and at those below it. Each includes those before it.
type Role int

const (
	NoRole      Role = iota
	RoleView         // see sites, plans and the audit
	RoleOperate      // look now, change configs, make plans, and apply those that are approved
	RoleApprove      // agree to plans of others
	RoleAdmin        // people, tokens, secrets, tenants, policy
)

// Roles are the names of the roles, the least first.
func Roles() []string { return []string{"view", "operate", "approve", "admin"} }

func (r Role) String() string {
	if r <= NoRole || int(r) > len(Roles()) {
		return "none"
	}
	return Roles()[r-1]
}

// ParseRole reads the name of a role.
func ParseRole(s string) (Role, error) {
	if i := slices.Index(Roles(), s); i >= 0 {
		return Role(i + 1), nil
	}
	return NoRole, fmt.Errorf("%q is not a role, want one of %s", s,
		strings.Join(Roles(), ", "))
}

// Principal is who asks, and what it may do.
type Principal struct {
	Actor
	Grants map[string]Role // by tenant
}

// Operator is the one at the command line with access to the database itself.
func Operator(means string) Principal {
	return Principal{
		Actor: Actor{
			Name:  "operator",
			Means: means,
		},
		Grants: map[string]Role{"": RoleAdmin},
	}
}

// RoleAt is the role at a tenant: the highest of it and of those above it.
func (p Principal) RoleAt(tenant string) (highest Role) {
	for node, role := range p.Grants {
		if IsWithin(tenant, node) {
			highest = max(highest, role)
		}
	}
	return highest
}

// IsWithin reports whether a tenant is another one, or below it.
func IsWithin(tenant, node string) bool {
	return node == "" || tenant == node || strings.HasPrefix(tenant, node+"/")
}

// scope is the value of mailpub.tenant: the nodes that are visible.
func (p Principal) scope() string {
	nodes := make([]string, 0, len(p.Grants))
	for node, role := range p.Grants {
		if role >= RoleView {
			nodes = append(nodes, "/"+node)
		}
	}

	slices.Sort(nodes)
	if slices.Contains(nodes, "/") {
		return "/"
	}

	return strings.Join(nodes, ",")
}

// As runs f in a transaction of the API's role, which sees what the principal may see and nothing else,
// whatever f asks for.
func (db *DB) As(ctx context.Context, p Principal, f func(pgx.Tx) error) error {
	return db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE mailpub_api"); err != nil {
			return fmt.Errorf("role of the API: %w", err)
		}
		if _, err := tx.Exec(ctx, "SELECT set_config('mailpub.tenant', $1, true)",
			p.scope()); err != nil {
			return err
		}

		return f(tx)
	})
}
