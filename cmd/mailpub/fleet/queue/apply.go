package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
)

const (
	planTime  = 3 * time.Minute
	applyTime = 30 * time.Minute
)

// planner makes plans. It implements river.Worker.
type planner struct {
	river.WorkerDefaults[PlanArgs]
	Opener
	policy ApprovalPolicy
}

// ApprovalPolicy says how many people have to agree to a plan of a tenant, beside its author.
type ApprovalPolicy func(ctx context.Context, tenant string, p store.Made, kind string) (approvals int, err error)

// Timeout implements river.Worker.
func (planner) Timeout(*river.Job[PlanArgs]) time.Duration { return planTime }

// Work implements river.Worker.
func (w planner) Work(ctx context.Context, job *river.Job[PlanArgs]) error {
	p, err := w.DB.Plan(ctx, job.Args.Plan)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case p.State != store.PlanWanted:
		return nil
	}

	made, err := w.make(ctx, p)
	if err != nil && ctx.Err() == nil {
		return w.DB.EndPlan(ctx, p.ID, store.PlanFailed, 0, err)
	}
	if err != nil {
		return err
	}

	return w.DB.PlanMade(ctx, p.ID, made)
}

func (w planner) make(ctx context.Context, p store.StoredPlan) (store.Made, error) {
	s, err := w.DB.Site(ctx, p.Site)
	if err != nil {
		return store.Made{}, err
	}

	ctx = w.contextOf(ctx, s)
	cfg, o, err := w.prepare(ctx, s)
	if err != nil {
		return store.Made{}, err
	}

	ledger, err := o.Backend.Read(ctx)
	if err != nil {
		return store.Made{}, err
	}

	opened, err := site.Open(ctx, cfg, ledger, o)
	if err != nil {
		return store.Made{}, err
	}

	made, err := planOf(ctx, opened, p.Kind)
	if err != nil {
		return store.Made{}, err
	}

	return w.describe(ctx, s, p.Kind, made, ledger)
}

// planOf makes the plan that a kind asks for.
func planOf(ctx context.Context, s *site.Site, kind string) (*site.Plan, error) {
	if kind == store.KindDestroy {
		return s.PlanRemoval(ctx)
	}
	return s.Plan(ctx)
}

func (w planner) describe(ctx context.Context, s store.Site, kind string, p *site.Plan, l *plan.Ledger) (store.Made, error) {
	doc, err := json.Marshal(p.Plan)
	if err != nil {
		return store.Made{}, err
	}

	sum := sha256.Sum256(doc)
	made := store.Made{
		Rev:    s.Rev,
		Doc:    doc,
		Digest: hex.EncodeToString(sum[:]),
		Share:  store.ShareOf(p.Plan, l),
		Adopts: len(p.Takeovers()) > 0,
		Empty:  p.Writes() == 0 && p.AdoptedCount() == 0 && len(p.Failed) == 0,
	}

	if w.policy != nil {
		made.Approvals, err = w.policy(ctx, s.Tenant, made, kind)
	}

	return made, err
}

// applier applies plans. It implements river.Worker.
type applier struct {
	river.WorkerDefaults[ApplyArgs]
	Opener
}

// Timeout implements river.Worker.
func (applier) Timeout(*river.Job[ApplyArgs]) time.Duration { return applyTime }

// NextRetry implements river.Worker. It is tried again where the worker or its connection to the database went away, and
// where somebody else works on the site.
func (applier) NextRetry(job *river.Job[ApplyArgs]) time.Time {
	return time.Now().Add(min(time.Duration(job.Attempt)*5*time.Second, time.Minute))
}

// Work implements river.Worker: exactly the plan that was approved is carried out, or what is left of it where a worker
// died in it.
func (w applier) Work(ctx context.Context, job *river.Job[ApplyArgs]) error {
	p, again, err := w.DB.BeginApply(ctx, job.Args.Plan)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrPlanState) {
		return nil
	}
	if err != nil {
		return err
	}

	done, err := w.apply(ctx, p, again)
	state := store.PlanApplied
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, plan.ErrLockLost), errors.Is(err, plan.ErrLocked) && job.Attempt < job.MaxAttempts:
		return err
	case errors.Is(err, plan.ErrStale):
		state = store.PlanStale
	default:
		state = store.PlanFailed
	}

	rest := context.WithoutCancel(ctx)
	if err := w.DB.EndPlan(rest, p.ID, state, done, err); err != nil {
		return err
	}

	return w.DB.InTx(rest, func(tx pgx.Tx) error {
		return store.Ask(rest, tx, p.Site, store.PriorityNews, fmt.Sprintf("plan %d is %s", p.ID, state))
	})
}

func (w applier) apply(ctx context.Context, p store.StoredPlan, again bool) (done int, err error) {
	saved, err := plan.DecodeSaved(p.Doc)
	if err != nil {
		return 0, fmt.Errorf("plan %d: %w", p.ID, err)
	}

	s, err := w.DB.Site(ctx, p.Site)
	if err != nil {
		return 0, err
	}

	if s.Rev != p.Rev {
		return 0, fmt.Errorf("%w: the config has version %d, the plan was made of %d", plan.ErrStale, s.Rev, p.Rev)
	}

	ctx = w.contextOf(ctx, s)
	cfg, o, err := w.prepare(ctx, s)
	if err != nil {
		return 0, err
	}

	o.Event = func(e site.Event) {
		if ended, ok := e.(site.ApplyEnded); ok {
			done = ended.Done
		}
	}

	lock, err := site.NewLock(ctx, cfg, o)
	if err != nil {
		return 0, err
	}

	defer lock.Close()
	err = carryOut(ctx, lock, p, saved, again)
	return done, err
}

// carryOut plans anew under the lock, and applies what was saved if that is still what there is to do.
func carryOut(ctx context.Context, lock *site.Lock, p store.StoredPlan, saved plan.Saved, again bool) error {
	opened, err := lock.Open(ctx)
	if err != nil {
		return err
	}

	now, err := planOf(ctx, opened, p.Kind)
	if err != nil {
		return err
	}

	if again {
		err = saved.Remains(now.Plan, lock.Ledger())
	} else {
		err = saved.Stale(now.Plan)
	}

	if err != nil {
		return err
	}

	if err := opened.Apply(ctx, now, p.Adopts); err != nil {
		return err
	}

	return plan.Unread(now.Changes)
}
