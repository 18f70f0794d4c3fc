package queue

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
)

// waves takes each wave that runs as far as it goes now.
func (l *leader) waves(ctx context.Context, tx pgx.Tx) error {
	running, err := store.RunningWaves(ctx, tx)
	if err != nil {
		return err
	}

	for _, w := range running {
		if err := l.wave(ctx, tx, w); err != nil {
			return fmt.Errorf("wave %d: %w", w.ID, err)
		}
	}

	return nil
}

// wave looks at the sites whose turn it is. It goes on when all of them are well with the change, and stops when too many
// are not.
func (l *leader) wave(ctx context.Context, tx pgx.Tx, w store.Wave) error {
	members, err := store.Members(ctx, tx, w.ID, w.Step)
	if err != nil {
		return err
	}

	failed := w.Failed
	open := 0
	first := ""
	for _, m := range members {
		if m.State == "well" || m.State == "failed" {
			continue
		}

		done, why, err := l.member(ctx, tx, w, m)
		if err != nil {
			return err
		}
		if !done {
			open++
			continue
		}

		if why != "" {
			failed++
			first = fmt.Sprintf("site %d: %s", m.Site, why)
		}
		if err := store.EndMember(ctx, tx, w.ID, m.Site, why); err != nil {
			return err
		}
	}

	switch {
	case failed >= w.StopAt:
		l.log.Warn("a wave has stopped", "wave", w.ID, "failed", failed, "why", first)
		return store.StopWave(ctx, tx, w.ID, first)
	case open == 0:
		return store.AdvanceWave(ctx, tx, w)
	}

	return nil
}

// member takes a site one step further: it gets the change, a plan is made of it and applied, and it is looked at. done says
// that it has ended, why that it failed.
func (l *leader) member(ctx context.Context, tx pgx.Tx, w store.Wave, m store.Member) (done bool, why string, err error) {
	if m.Moved == nil {
		return false, "", store.MoveMember(ctx, tx, w, m.Site)
	}

	if m.Plan == 0 {
		id, err := store.WantPlan(ctx, tx, m.Site, store.KindApply, store.Actor{Name: fmt.Sprintf("wave %d", w.ID)})
		if err != nil {
			return false, "", err
		}
		if err := store.PlanMember(ctx, tx, w.ID, m.Site, id); err != nil {
			return false, "", err
		}
		return false, "", l.client.Plan(ctx, tx, id)
	}

	p, err := store.PlanByID(ctx, tx, m.Plan)
	if err != nil {
		return false, "", err
	}

	switch p.State {
	case store.PlanWanted, store.PlanApproved, store.PlanApplying:
		return false, "", nil
	case store.PlanPlanned:
		return false, "", l.applyMember(ctx, tx, p)
	case store.PlanEmpty, store.PlanApplied:
		return l.judge(m, p)
	}

	return true, fmt.Sprintf("plan %d is %s: %s", p.ID, p.State, p.Error), nil
}

// applyMember has a plan applied that needs nobody's approval, or has it by now. One that takes over what others put in place
// waits for a person.
func (l *leader) applyMember(ctx context.Context, tx pgx.Tx, p store.StoredPlan) error {
	if len(p.Approvals) < p.Needs || p.Adopts && len(p.Approvals) == 0 {
		return nil
	}
	if _, err := store.StartApply(ctx, tx, p.ID); err != nil {
		return err
	}
	return l.client.Apply(ctx, tx, p.ID)
}

// judge says whether a site is well with the change, once it was looked at with it: no worse than it was.
func (l *leader) judge(m store.Member, p store.StoredPlan) (done bool, why string, err error) {
	switch {
	case m.Looked == nil || m.Looked.Before(p.Changed):
		return false, "", nil
	case m.Wrong != "":
		return true, m.Wrong, nil
	case isWorse(m.Is, m.Was):
		return true, "it was well before the change and is not now", nil
	}
	return true, "", nil
}

// isWorse reports whether a site that could be used can't be any more.
func isWorse(is, was history.State) bool {
	usable := func(s history.State) bool { return s == history.Good || s == history.Uneasy }
	return usable(was) && !usable(is)
}
