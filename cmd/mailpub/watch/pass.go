package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// publishSnapshot shows the snapshot.
func (w *watcher) publishSnapshot() {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.d.publishSnapshot(w.snapshot)
}

// manySites is the number of sites from which on no more is kept of each than the next pass needs.
const manySites = 100

// hasMany reports whether so many sites are watched that what was seen of each is not kept here.
func (d *Daemon) hasMany() bool { return len(d.running()) > manySites }

// busy notes that something is under way that has to end within d; the returned function, that
// it has.
func (w *watcher) busy(d time.Duration) (done func()) {
	at := time.Now().Add(d + graceTime)
	w.stuck.Store(&at)
	return func() { w.stuck.Store(nil) }
}

// isAlive reports whether nothing hangs.
func (w *watcher) isAlive() bool {
	at := w.stuck.Load()
	return at == nil || time.Now().Before(*at)
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// allowedRepairs returns those of some kinds that the policy allows.
func (w *watcher) allowedRepairs(kinds ...string) (may []string) {
	for _, k := range kinds {
		if slices.Contains(w.site.Policy.Repair, k) {
			may = append(may, k)
		}
	}
	return may
}

// observe looks at the site, within its time.
func (w *watcher) observe(ctx context.Context) Observation {
	defer w.busy(passTime)()
	ctx, cancel := context.WithTimeoutCause(ctx, passTime, errors.New("it takes too long"))
	defer cancel()
	return w.site.Look(ctx)
}

// isLockedElsewhere reports whether somebody else works on the site, so that what is seen just now would
// be half of something. That is borne for a while only.
func (w *watcher) isLockedElsewhere(now time.Time) bool {
	if w.site.Busy == nil || !w.site.Busy() {
		w.busySince = time.Time{}
		return false
	}

	if w.busySince.IsZero() {
		w.busySince = now
	}

	return now.Sub(w.busySince) < busyMost
}

// pass looks at the site, tells what is news, and repairs what it may.
func (w *watcher) pass(ctx context.Context) {
	if !w.d.acquireSlot(ctx) {
		return
	}

	defer w.d.releaseSlot()

	start := w.d.Now()
	w.next = w.site.Schedule.after(start, w.d.Random)
	w.lastPass = start

	if w.isLockedElsewhere(start) {
		w.next = start.Add(busyPause)
		return
	}

	found := w.observe(ctx)
	if ctx.Err() != nil {
		return
	}

	if w.isLockedElsewhere(w.d.Now()) {
		w.next = w.d.Now().Add(busyPause)
		return
	}

	order := w.repairRequest(found, w.d.Now())
	w.process(found, Healed)
	if len(order.Kinds) > 0 {
		out, err := w.carryOut(ctx, order, start, "")
		if err == nil && len(out.Done) > 0 || slices.Contains(order.Kinds, Address) {
			found = w.observe(ctx)
			if ctx.Err() != nil {
				return
			}
			w.process(found, Repaired)
		}
	}

	w.finish(ctx, found, start)
}

// finish shows what a pass found in the end.
func (w *watcher) finish(ctx context.Context, found Observation, start time.Time) {
	w.leases(found.Leases, found.Renew)
	now := w.d.Now()
	w.next = laterOf(w.next, now.Add(w.site.Schedule.Every/10))

	if w.relook = w.hasTransient() && !w.relook; w.relook {
		w.schedule(now.Add(softPause))
	}

	if w.Known[subjectGateway()] != nil && w.retry.IsZero() &&
		len(w.allowedRepairs(Router)) > 0 {
		w.retry = now.Add(firstRetry) // many routers do not say that they are back
	}

	if !w.again.IsZero() {
		w.schedule(laterOf(w.again, now.Add(time.Second)))
		w.again = time.Time{}
	}

	found.Report.Site = w.site.Name
	found.Report.Drift = true
	w.snapshot = Snapshot{
		Site:     w.site.Name,
		File:     w.site.File,
		Host:     w.site.Host,
		Language: w.site.Language,
		LAN:      w.site.LAN,
		Public:   found.Public,
		At:       start,
		Took:     now.Sub(start),
		Next:     w.next,
		Report:   found.Report,
		Err:      found.Err,
		APIRead:  found.APIRead,
		Leases:   found.Leases,
		Config:   w.wrongConfig,
	}

	level := slog.LevelDebug
	if n := len(w.Known); w.broken == nil || *w.broken != n {
		level = slog.LevelInfo
		w.broken = &n
	}

	attrs := []any{
		"seconds", seconds(w.snapshot.Took),
		"broken", len(w.Known),
		"next", w.next.Format(time.RFC3339),
	}

	if found.Err != nil {
		attrs = append(attrs, "error", found.Err)
	}

	w.log.Log(ctx, level, "looked", attrs...)
	w.publishSnapshot()
	w.save()
	if w.d.hasMany() {
		w.snapshot = Snapshot{} // an observer has it
	}
}

// seconds are those of a log: to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// leases notes when the next one has to be renewed.
func (w *watcher) leases(_ []Lease, renew time.Time) {
	w.renew = time.Time{}
	if len(w.allowedRepairs(Router)) > 0 && !renew.IsZero() {
		w.renew = laterOf(renew, w.d.Now().Add(renewPause))
	}
}
