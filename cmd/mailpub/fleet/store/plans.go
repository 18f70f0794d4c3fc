package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/plan"
)

// States of a plan.
const (
	PlanWanted    = "wanted"   // somebody asked for it
	PlanPlanned   = "planned"  // it waits for approval, or for somebody to apply it
	PlanEmpty     = "empty"    // there is nothing to do
	PlanApproved  = "approved" // it is to be applied
	PlanApplying  = "applying" // it was begun
	PlanApplied   = "applied"
	PlanFailed    = "failed"
	PlanStale     = "stale" // what it is about has changed since
	PlanExpired   = "expired"
	PlanWithdrawn = "withdrawn"
)

// Kinds of plans.
const (
	KindApply   = "apply"
	KindDestroy = "destroy"
)

// Actor is who does something, and by what means.
type Actor struct {
	Person int64 // 0: the operator, at the command line
	Name   string
	Means  string // "token ab12cd", "browser", "command line"
}

// StoredPlan is a plan as the fleet keeps it.
type StoredPlan struct {
	ID        int64
	Site      int64
	SitePath  string
	Kind      string
	State     string
	Rev       int64  // of the config that it was made of
	Doc       []byte // mailpub/plan/v1
	Digest    string
	Share     float64 // of the site's own records that it changes or removes, 0 to 1
	Adopts    bool    // it takes over what others put in place
	Needs     int     // approvals by other people than its author
	Approvals []string
	By        Actor
	Created   time.Time
	Changed   time.Time // its state
	Expires   time.Time
	Done      int // changes carried out
	Error     string
	Wave      int64
}

const planColumns = `p.id, p.site, CASE WHEN s.tenant = '' THEN s.name ELSE s.tenant || '/' || s.name END, p.kind, p.state, p.rev,
	coalesce(p.doc::text, ''), p.digest, p.share, p.adopts, p.approvals,
	ARRAY(SELECT a.by_name FROM approval a WHERE a.plan = p.id ORDER BY a.at), coalesce(p.by_person, 0), p.by_name, p.created, p.changed,
	p.expires, p.done, p.error, coalesce(p.wave, 0)`

const planTables = ` FROM plan p JOIN site s ON s.id = p.site `

func scanPlan(row pgx.Row) (p StoredPlan, err error) {
	err = row.Scan(&p.ID, &p.Site, &p.SitePath, &p.Kind, &p.State, &p.Rev, &p.Doc, &p.Digest, &p.Share, &p.Adopts, &p.Needs,
		&p.Approvals, &p.By.Person, &p.By.Name, &p.Created, &p.Changed, &p.Expires, &p.Done, &p.Error, &p.Wave)
	return p, err
}

// Plan returns a plan.
func (db *DB) Plan(ctx context.Context, id int64) (StoredPlan, error) {
	return PlanByID(ctx, db.Pool, id)
}

// WantPlan asks for a plan of a site. The caller puts its job into the queue in the same transaction.
func WantPlan(ctx context.Context, tx pgx.Tx, site int64, kind string, by Actor) (id int64, err error) {
	const want = `INSERT INTO plan (site, kind, rev, by_person, by_name)
		SELECT id, $2, rev, nullif($3::bigint, 0), $4 FROM site WHERE id = $1 RETURNING id`
	err = tx.QueryRow(ctx, want, site, kind, by.Person, by.Name).Scan(&id)
	return id, found(err, "site %d", site)
}

// Made is what a plan job found.
type Made struct {
	Rev       int64
	Doc       []byte
	Digest    string
	Share     float64
	Adopts    bool
	Approvals int
	Empty     bool
}

// PlanMade stores a plan that was asked for. One that was meanwhile withdrawn stays so.
func (db *DB) PlanMade(ctx context.Context, id int64, m Made) error {
	state := PlanPlanned
	if m.Empty {
		state = PlanEmpty
	}

	const made = `UPDATE plan SET state = $2, rev = $3, doc = $4::text::json, digest = $5, share = $6, adopts = $7,
		approvals = $8, changed = now(), error = '' WHERE id = $1 AND state = 'wanted'`
	_, err := db.Pool.Exec(ctx, made, id, state, m.Rev, string(m.Doc), m.Digest, m.Share, m.Adopts, m.Approvals)
	return err
}

// EndPlan notes how a plan ended, or that it could not be made.
func (db *DB) EndPlan(ctx context.Context, id int64, state string, done int, why error) error {
	text := ""
	if why != nil {
		text = why.Error()
	}

	const end = `UPDATE plan SET state = $2, done = greatest(done, $3), error = $4, changed = now() WHERE id = $1
		AND state IN ('wanted', 'approved', 'applying')`
	_, err := db.Pool.Exec(ctx, end, id, state, done, text)
	return err
}

// Errors of plans that can't be approved or applied.
var (
	ErrOwnPlan   = errors.New("a plan is approved by another person than its author")
	ErrApprovals = errors.New("approvals are missing")
	ErrPlanState = errors.New("the plan can no longer be changed")
)

// lockPlan reads a plan that is about to be changed. One that has expired is noted as such, with no error of the
// transaction's.
func lockPlan(ctx context.Context, tx pgx.Tx, id int64) (StoredPlan, error) {
	if _, err := tx.Exec(ctx, "SELECT FROM plan WHERE id = $1 FOR UPDATE", id); err != nil {
		return StoredPlan{}, err
	}

	p, err := PlanByID(ctx, tx, id)
	if err != nil {
		return p, err
	}

	var now time.Time
	if err := tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return p, err
	}
	if p.State == PlanPlanned && now.After(p.Expires) {
		p.State = PlanExpired
	}

	return p, nil
}

func wrongState(p StoredPlan) error {
	return fmt.Errorf("plan %d is %s: %w", p.ID, p.State, ErrPlanState)
}

// Approve notes that a person agrees to a plan. Who asked for it can't; to do it twice is to do it once.
func Approve(ctx context.Context, tx pgx.Tx, id int64, by Actor) (StoredPlan, error) {
	p, err := lockPlan(ctx, tx, id)
	switch {
	case err != nil:
		return p, err
	case p.State != PlanPlanned:
		return p, wrongState(p)
	case by.Person == 0 || by.Person == p.By.Person:
		return p, ErrOwnPlan
	}

	const add = `INSERT INTO approval (plan, person, by_name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	if _, err := tx.Exec(ctx, add, id, by.Person, by.Name); err != nil {
		return p, err
	}

	return lockPlan(ctx, tx, id)
}

// StartApply has a plan applied, once it has the approvals that it needs. The caller puts its job into the queue in the same
// transaction.
func StartApply(ctx context.Context, tx pgx.Tx, id int64) (StoredPlan, error) {
	p, err := lockPlan(ctx, tx, id)
	switch {
	case err != nil:
		return p, err
	case p.State != PlanPlanned:
		return p, wrongState(p)
	case len(p.Approvals) < p.Needs:
		return p, fmt.Errorf("plan %d: %w: %d of %d", id, ErrApprovals, len(p.Approvals), p.Needs)
	}

	p.State = PlanApproved
	_, err = tx.Exec(ctx, "UPDATE plan SET state = 'approved', changed = now() WHERE id = $1", id)
	return p, err
}

// BeginApply marks a plan as begun, and reports whether it was before: then a part of it may be done.
func (db *DB) BeginApply(ctx context.Context, id int64) (p StoredPlan, again bool, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		if p, err = lockPlan(ctx, tx, id); err != nil {
			return err
		}
		if p.State != PlanApproved && p.State != PlanApplying {
			return wrongState(p)
		}

		again = p.State == PlanApplying
		p.State = PlanApplying
		_, err := tx.Exec(ctx, "UPDATE plan SET state = 'applying', changed = now() WHERE id = $1", id)
		return err
	})
	return p, again, err
}

// Withdraw takes a plan back that was not begun.
func Withdraw(ctx context.Context, tx pgx.Tx, id int64) (StoredPlan, error) {
	p, err := lockPlan(ctx, tx, id)
	switch {
	case err != nil:
		return p, err
	case p.State != PlanPlanned && p.State != PlanWanted:
		return p, wrongState(p)
	}

	p.State = PlanWithdrawn
	_, err = tx.Exec(ctx, "UPDATE plan SET state = 'withdrawn', changed = now() WHERE id = $1", id)
	return p, err
}

// OpenPlans returns the plans that a job should be working on: what was lost of the queue is put there again. They are at
// least a minute old, so that their jobs had the time to begin.
func OpenPlans(ctx context.Context, tx pgx.Tx) (wanted, approved []int64, err error) {
	const expire = `UPDATE plan SET state = 'expired', changed = now() WHERE state = 'planned' AND expires < now()`
	if _, err := tx.Exec(ctx, expire); err != nil {
		return nil, nil, err
	}

	const open = `SELECT id, state FROM plan WHERE state IN ('wanted', 'approved', 'applying')
		AND changed < now() - interval '1 minute' ORDER BY id`
	rows, err := tx.Query(ctx, open)
	if err != nil {
		return nil, nil, err
	}

	var id int64
	var state string
	_, err = pgx.ForEachRow(rows, []any{&id, &state}, func() error {
		if state == PlanWanted {
			wanted = append(wanted, id)
		} else {
			approved = append(approved, id)
		}
		return nil
	})

	return wanted, approved, err
}

// OpenNotices returns notices that should have been sent by now.
func OpenNotices(ctx context.Context, tx pgx.Tx) ([]int64, error) {
	rows, err := tx.Query(ctx, "SELECT id FROM notice WHERE state = 'open' AND made < now() - interval '20 minutes' ORDER BY id LIMIT 1000")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// ShareOf is the part of a site's own records that a plan changes or removes, 0 to 1.
func ShareOf(p *plan.Plan, l *plan.Ledger) float64 {
	if l.Len() == 0 {
		return 0
	}

	n := 0
	for _, c := range p.Changes {
		if _, ours := l.Get(c.Key); ours && c.Writes() && !c.Renew {
			n++
		}
	}

	return float64(n) / float64(l.Len())
}

// PlanByID returns a plan.
func PlanByID(ctx context.Context, q querier, id int64) (StoredPlan, error) {
	p, err := scanPlan(q.QueryRow(ctx, "SELECT "+planColumns+planTables+"WHERE p.id = $1", id))
	return p, found(err, "plan %d", id)
}

// FindPlans returns plans, newest first: of a site where its id is not 0, in a state where that is not "".
func FindPlans(ctx context.Context, tx pgx.Tx, tenant string, site int64, state string, most int) ([]StoredPlan, error) {
	rows, err := tx.Query(ctx, "SELECT "+planColumns+planTables+`WHERE ($1 = 0 OR p.site = $1) AND ($2 = '' OR p.state = $2)
		AND ($3 = '' OR s.tenant = $3 OR starts_with(s.tenant, $3 || '/')) ORDER BY p.id DESC LIMIT $4`, site, state, tenant, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (StoredPlan, error) { return scanPlan(row) })
}
