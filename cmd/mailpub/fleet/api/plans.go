package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

func planDocument(p store.StoredPlan, whole bool) PlanStatus {
	out := PlanStatus{
		ID:        p.ID,
		Site:      p.Site,
		Path:      p.SitePath,
		Kind:      p.Kind,
		State:     p.State,
		Rev:       p.Rev,
		Digest:    p.Digest,
		Share:     p.Share,
		Adopts:    p.Adopts,
		Needs:     p.Needs,
		Approvals: append([]string{}, p.Approvals...),
		By:        p.By.Name,
		Created:   p.Created,
		Expires:   p.Expires,
		Done:      p.Done,
		Error:     p.Error,
		Wave:      p.Wave,
	}

	if whole && len(p.Doc) > 0 {
		out.Document = p.Doc
	}

	return out
}

func planDocuments(list []store.StoredPlan) PlanList {
	out := PlanList{Plans: []PlanStatus{}}
	for _, p := range list {
		out.Plans = append(out.Plans, planDocument(p, false))
	}
	return out
}

// mostPlans is how many plans a list has.
const mostPlans = 200

func listPlans(c *call) (any, error) {
	tenant, err := c.scopeOf()
	if err != nil {
		return nil, err
	}

	list, err := store.FindPlans(c.r.Context(), c.tx, tenant, 0, c.r.URL.Query().Get("state"),
		mostPlans)

	return planDocuments(list), err
}

func listSitePlans(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}

	list, err := store.FindPlans(c.r.Context(), c.tx, "", s.ID, "", mostPlans)
	return planDocuments(list), err
}

// plan returns the plan of the path, where the caller has the role that the route needs.
func (c *call) plan() (store.StoredPlan, string, error) {
	id, err := c.id()
	if err != nil {
		return store.StoredPlan{}, "", err
	}

	p, err := store.PlanByID(c.r.Context(), c.tx, id)
	if err != nil {
		return p, "", err
	}

	tenant, _ := store.SplitPath(p.SitePath)
	return p, tenant, c.at(tenant)
}

func getPlan(c *call) (any, error) {
	p, _, err := c.plan()
	if err != nil {
		return nil, err
	}
	return planDocument(p, true), nil
}

func makePlan(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}

	var in NewPlan
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if kinds := []string{store.KindApply, store.KindDestroy}; !slices.Contains(kinds, in.Kind) {
		return nil, inputError{fmt.Sprintf("kind is %q, want apply or destroy", in.Kind)}
	}

	id, err := store.WantPlan(c.r.Context(), c.tx, s.ID, in.Kind, c.who.Actor)
	if err != nil {
		return nil, err
	}
	if err := c.Queue.Plan(c.r.Context(), c.tx, id); err != nil {
		return nil, err
	}
	if err := c.audit(s.Tenant, s.Path(), "plan.make", "", "",
		map[string]string{"plan": fmt.Sprint(id), "kind": in.Kind}); err != nil {
		return nil, err
	}

	p, err := store.PlanByID(c.r.Context(), c.tx, id)
	return planDocument(p, true), err
}

// change changes the plan of the path, and notes it.
func (c *call) change(act string, do func(context.Context, pgx.Tx, int64) (store.StoredPlan, error)) (any, error) {
	p, tenant, err := c.plan()
	if err != nil {
		return nil, err
	}

	p, err = do(c.r.Context(), c.tx, p.ID)
	if err != nil {
		return nil, err
	}

	detail := map[string]string{"plan": fmt.Sprint(p.ID), "kind": p.Kind}
	return planDocument(p, true), c.audit(tenant, p.SitePath, act, "", p.Digest, detail)
}

func approvePlan(c *call) (any, error) {
	return c.change("plan.approve", func(ctx context.Context, tx pgx.Tx, id int64) (store.StoredPlan, error) {
		return store.Approve(ctx, tx, id, c.who.Actor)
	})
}

func applyPlan(c *call) (any, error) {
	return c.change("plan.apply", func(ctx context.Context, tx pgx.Tx, id int64) (store.StoredPlan, error) {
		p, err := store.StartApply(ctx, tx, id)
		if err != nil {
			return p, err
		}
		return p, c.Queue.Apply(ctx, tx, id)
	})
}

func withdrawPlan(c *call) (any, error) {
	return c.change("plan.withdraw", store.Withdraw)
}
