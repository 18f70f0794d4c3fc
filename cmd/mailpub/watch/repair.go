package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// repairRequest says what is to be repaired of what was found.
func (w *watcher) repairRequest(found Observation, now time.Time) RepairRequest {
	o := RepairRequest{Kinds: w.allowedRepairs(found.Mendable...)}
	i := slices.Index(o.Kinds, Address)
	if i < 0 {
		if found.Err == nil && !slices.Contains(found.Mendable, Address) {
			w.Address.markInSync()
		}
		return o
	}

	v := w.Address.decide(found, w.site.Policy, now)
	w.again = v.again
	if v.held {
		e := w.emit(Event{
			Kind: AddressHeld,
			Text: fmt.Sprintf("the public address changed %d times within an hour, and is %s now; DNS is not changed until %s",
				len(w.Address.Changes), addresses(found.Public), v.again.Format(time.TimeOnly)),
		})
		w.notify(Notice{Kind: AddressHeld, Title: e.Text})
	}

	if v.write {
		o.Address = found.Public
	} else {
		o.Kinds = slices.Delete(o.Kinds, i, i+1)
	}

	return o
}

// addressUpdatePending reports whether a change of address is about to be followed, so that what it breaks is
// no news of its own.
func (w *watcher) addressUpdatePending() bool {
	return w.Address.Addrs != nil &&
		!w.Address.Held
}

// carryOut repairs. since is when it broke, and why says so in a few words; "" where the news of that
// is out already. Where that failed, it is tried again soon.
func (w *watcher) carryOut(ctx context.Context, o RepairRequest, since time.Time, why string) (RepairResult, error) {
	if len(o.Kinds) == 0 {
		return RepairResult{}, nil
	}

	out, err := w.repair(ctx, o)
	if ctx.Err() != nil {
		return out, err
	}

	if out.Leases != nil || !out.Renew.IsZero() {
		w.leases(out.Leases, out.Renew)
	}

	if errors.Is(err, ErrBusy) {
		w.log.Info("another mailpub process is changing the site; repairing later")
		w.retry = w.d.Now().Add(busyPause)
		w.again = w.retry // what is no repair of the router comes with a pass
		return out, err
	}

	if why != "" {
		w.reportLoss(out, since, why)
	}

	w.reportRepairs(o, out)
	w.recordRepair(o, err)
	return out, err
}

func (w *watcher) repair(ctx context.Context, o RepairRequest) (RepairResult, error) {
	defer w.busy(repairTime)()
	ctx, cancel := context.WithTimeoutCause(ctx, repairTime, errors.New("it takes too long"))
	defer cancel()
	return w.site.Repair(ctx, o)
}

// reportLoss tells of what was found to be gone before a pass could, as one thing.
func (w *watcher) reportLoss(out RepairResult, since time.Time, why string) {
	p := passResult{broken: map[subjectKey]*problem{}}
	for _, c := range out.Found {
		if !c.Renew {
			p.add(problemOf(c))
		}
	}

	gone := slices.DeleteFunc(slices.Clone(out.Found), func(c plan.Change) bool {
		return c.Renew
	})

	if !slices.ContainsFunc(gone, func(c plan.Change) bool { return !c.Lapsed }) {
		why = "the leases of the forwards ran out" // the router did nothing wrong
	}

	for i, subject := range p.order {
		switch t := p.broken[subject]; {
		case w.Known[subjectGateway()] != nil:
			t.Under = subjectGateway()
		case i == 0:
			t.says = why
		default:
			t.Under = p.order[0]
		}
	}

	w.reportChanges(w.update(p, since), Broke)
}

// reportRepairs tells of what was put back.
func (w *watcher) reportRepairs(o RepairRequest, out RepairResult) {
	p := passResult{well: map[subjectKey]bool{}}
	var renewed, put []string
	for _, c := range out.Done {
		if c.Renew {
			renewed = append(renewed, c.Key.Name)
			continue
		}

		if !slices.ContainsFunc(out.Moved, func(m plan.Change) bool {
			return m.Key == c.Key
		}) {
			put = append(put, c.Key.Name)
			p.well[subjectOf(c)] = true
		}
	}

	if len(renewed) > 0 {
		w.emit(Event{Kind: Renewed, Text: "leases renewed: " + strings.Join(renewed, ", ")})
	}

	if len(out.Moved) > 0 {
		w.reportAddressUpdate(o, out.Moved)
	}

	if len(put) > 0 {
		w.log.Warn("restored", "what", strings.Join(put, ", "))
		w.reportChanges(w.update(p, w.d.Now()), Repaired)
	}
}

// reportAddressUpdate tells that DNS followed the public address, and of what is left for a person.
func (w *watcher) reportAddressUpdate(o RepairRequest, changes []plan.Change) {
	now := w.d.Now()
	since := w.Address.Since
	for subject := range w.Known {
		if subject.ofAddress() { // this notice says so
			w.resolve(subject)
		}
	}

	w.Address.markUpdated(now)
	n := Notice{
		Kind:  AddressChanged,
		Title: "the public address is " + addresses(o.Address) + " now; DNS was updated",
	}

	var more []string
	for _, c := range changes {
		if c.Action != plan.Manual {
			n.Things = append(n.Things, Item{
				Subject: subjectOf(c).String(),
				Got:     written(c),
				Since:   since,
				Seconds: now.Sub(since).Seconds(),
			})
			continue
		}

		t := problemOf(c)
		t.Since = now
		t.Told = true
		w.Known[t.Subject] = t
		n.Things = append(n.Things, t.item(now, false))
		more = append(more, "manual step: "+c.Reason)
	}

	n.write(more...)
	w.emit(Event{
		Kind:    AddressChanged,
		Subject: subjectAddress().String(),
		Text:    n.Title,
		Since:   since,
		Took:    now.Sub(since),
	})

	w.notify(n)
}

func written(c plan.Change) string {
	if c.Action == plan.Delete {
		return "removed"
	}
	return strings.Join(c.After, ", ")
}

// recordRepair notes whether a repair came to its end.
func (w *watcher) recordRepair(o RepairRequest, err error) {
	subject := subjectRepair()
	now := w.d.Now()
	if err == nil {
		w.failures = 0
		w.retry = time.Time{}
		w.reportChanges(w.update(passResult{well: map[subjectKey]bool{subject: true}}, now),
			Healed)
		return
	}

	if slices.Contains(o.Kinds, Router) { // the others come with the next pass
		w.failures++
		pause := firstRetry << min(w.failures-1, 20)
		w.retry = now.Add(min(pause, laterOf(now.Add(w.site.Schedule.Every), w.next).Sub(now)))
	}

	w.log.Warn("could not repair", "what", o.Kinds, "error", err)
	t := &problem{Subject: subject, Got: err.Error(), soft: true}
	if w.Known[subjectGateway()] != nil {
		t.Under = subjectGateway()
	}

	if w.Known[subject] == nil {
		w.emit(Event{Kind: RepairFailed, Subject: subject.String(), Text: err.Error()})
	}

	p := passResult{broken: map[subjectKey]*problem{}}
	p.add(t)
	w.reportChanges(w.update(p, now), Broke)
}

// process draws the conclusions from a look.
func (w *watcher) process(found Observation, by Kind) {
	p := newPassResult(found)
	if len(found.Mendable) > 0 { // whether it can be is seen afterwards
		p.unknown[subjectRepair()] = true
	}

	behind := slices.Contains(found.Mendable, Address)
	for _, subject := range slices.Clone(p.order) {
		switch {
		case behind && w.addressUpdatePending() &&
			subject.ofAddress(), !behind && subject.check == catalog.RouterAddress &&
			w.addressRecentlyChanged():
			p.drop(subject)
		case behind && subject.ofAddress():
			p.causedByAddress(subject)
		}
	}

	for subject := range w.Known {
		if behind && subject.ofAddress() && p.broken[subject] == nil { // of the address that DNS has: no matter now
			p.drop(subject)
		}
	}

	n := w.update(p, w.d.Now())
	if w.Address.Held { // which was said
		n.broke = slices.DeleteFunc(n.broke, func(t *problem) bool {
			return t.rootCause() == subjectAddress()
		})
	}

	w.reportChanges(n, by)
}

// causedByAddress puts a subject under the change of address.
func (p *passResult) causedByAddress(subject subjectKey) {
	if p.broken[subjectAddress()] == nil {
		p.add(&problem{Subject: subjectAddress(), Got: "DNS has another one"})
	}
	p.broken[subjectAddress()].says = "the public address changed and differs from DNS"
	if subject != subjectAddress() {
		p.broken[subject].Under = subjectAddress()
	}
}

// addressRecentlyChanged reports whether resolvers may still have the old address.
func (w *watcher) addressRecentlyChanged() bool {
	n := len(w.Address.Changes)
	return n > 0 && w.d.Now().Sub(w.Address.Changes[n-1]) < time.Hour
}

// drop makes a picture know nothing of a subject.
func (p *passResult) drop(subject subjectKey) {
	delete(p.broken, subject)
	p.unknown[subject] = true
	p.order = slices.DeleteFunc(p.order, func(s subjectKey) bool { return s == subject })
}

func addresses[T fmt.Stringer](list []T) string {
	var all []string
	for _, a := range list {
		all = append(all, a.String())
	}
	return strings.Join(all, " and ")
}
