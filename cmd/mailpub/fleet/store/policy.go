package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ApprovalRules say how many people, beside its author, have to agree to a plan. What a tenant leaves open is
// as its parent has it.
type ApprovalRules struct {
	Approvals *int     `json:"approvals,omitempty"` // of any plan: 0 (the default), 1 or 2
	Special   *int     `json:"special,omitempty"`   // of one that destroys, takes over, changes much or is part of a wave: by default 1
	Share     *float64 `json:"share,omitempty"`     // of a site's own records, from which on a plan changes much: by default 0.3
}

// MaxApprovals is the most that a policy may ask for.
const MaxApprovals = 2

// DecodeRules reads the policy of a tenant.
func DecodeRules(doc []byte) (r ApprovalRules, err error) {
	if err := json.Unmarshal(doc, &r); err != nil {
		return r, errors.New("is not a policy, want {\"approvals\": 0 to 2, \"special\": 0 to 2, \"share\": 0 to 1}")
	}
	return r, r.Check()
}

// Check says what is wrong with a policy.
func (r ApprovalRules) Check() error {
	for _, n := range []*int{r.Approvals, r.Special} {
		if n != nil && (*n < 0 || *n > MaxApprovals) {
			return fmt.Errorf("approvals are %d, want 0 to %d", *n, MaxApprovals)
		}
	}

	if r.Share != nil && (*r.Share < 0 || *r.Share > 1) {
		return fmt.Errorf("share is %g, want 0 to 1", *r.Share)
	}

	return nil
}

// SetRules changes the policy of a tenant.
func SetRules(ctx context.Context, tx pgx.Tx, tenant string, r ApprovalRules) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}

	done, err := tx.Exec(ctx, "UPDATE tenant SET policy = $2::text::jsonb WHERE path = $1", tenant, string(doc))
	return mustChange(done, err, "tenant %q", tenant)
}

// over fills in what r leaves open.
func (r ApprovalRules) over(above ApprovalRules) ApprovalRules {
	if r.Approvals == nil {
		r.Approvals = above.Approvals
	}

	if r.Special == nil {
		r.Special = above.Special
	}

	if r.Share == nil {
		r.Share = above.Share
	}

	return r
}

// RulesOf returns the rules that hold for a tenant, those of the tenants above it and the defaults included.
func (db *DB) RulesOf(ctx context.Context, tenant string) (ApprovalRules, error) {
	const chain = `SELECT policy::text FROM tenant WHERE path = $1 OR path = '' OR starts_with($1, path || '/') ORDER BY length(path)`
	rows, err := db.Pool.Query(ctx, chain, tenant)
	if err != nil {
		return ApprovalRules{}, err
	}

	rules := ApprovalRules{Approvals: new(0), Special: new(1), Share: new(0.3)}
	var doc string
	_, err = pgx.ForEachRow(rows, []any{&doc}, func() error {
		own, err := DecodeRules([]byte(doc))
		if err != nil {
			return err
		}
		rules = own.over(rules)
		return nil
	})

	return rules, err
}

// Needs is how many approvals a plan needs under the rules.
func (r ApprovalRules) Needs(kind string, m Made, wave bool) int {
	special := kind == KindDestroy || m.Adopts || m.Share > *r.Share || wave
	if special {
		return max(*r.Approvals, *r.Special)
	}
	return *r.Approvals
}

// ApprovalsFor says how many people have to agree to a plan of a tenant, beside its author.
func (db *DB) ApprovalsFor(ctx context.Context, tenant string, m Made, kind string) (int, error) {
	rules, err := db.RulesOf(ctx, tenant)
	if err != nil {
		return 0, err
	}
	return rules.Needs(kind, m, false), nil
}

// RulesAt returns the rules that a tenant has itself.
func RulesAt(ctx context.Context, tx pgx.Tx, tenant string) (ApprovalRules, error) {
	var doc string
	err := tx.QueryRow(ctx, "SELECT policy::text FROM tenant WHERE path = $1", tenant).Scan(&doc)
	if err != nil {
		return ApprovalRules{}, found(err, "tenant %q", tenant)
	}
	return DecodeRules([]byte(doc))
}
