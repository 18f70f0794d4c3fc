package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// seen shows the snapshot.
func (w *watcher) seen() {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.d.seen(w.snapshot)
}

// busy notes that something is under way that has to end within d; the returned function, that
// it has.
func (w *watcher) busy(d time.Duration) (done func()) {
	at := time.Now().Add(d + graceTime)
	w.stuck.Store(&at)
	return func() { w.stuck.Store(nil) }
}

// alive reports whether nothing hangs.
func (w *watcher) alive() bool {
	at := w.stuck.Load()
	return at == nil || time.Now().Before(*at)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// mayMend returns those of some kinds that the policy allows.
func (w *watcher) mayMend(kinds ...string) (may []string) {
	for _, k := range kinds {
		if slices.Contains(w.site.Policy.Repair, k) {
			may = append(may, k)
		}
	}
	return may
}

// look looks at the site, within its time.
func (w *watcher) look(ctx context.Context) Found {
	defer w.busy(passTime)()
	ctx, cancel := context.WithTimeoutCause(ctx, passTime, errors.New("it takes too long"))
	defer cancel()
	return w.site.Look(ctx)
}

// occupied reports whether somebody else works on the site, so that what is seen just now would
// be half of something. That is borne for a while only.
func (w *watcher) occupied(now time.Time) bool {
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
	if !w.d.slot(ctx) {
		return
	}
	defer w.d.free()
	start := w.d.Now()
	w.next = w.site.Schedule.after(start, w.d.Random)
	w.lastPass = start
	if w.occupied(start) {
		w.next = start.Add(busyPause)
		return
	}
	found := w.look(ctx)
	if ctx.Err() != nil {
		return
	}
	if w.occupied(w.d.Now()) {
		w.next = w.d.Now().Add(busyPause)
		return
	}
	order := w.order(found, w.d.Now())
	w.digest(found, Healed)
	if len(order.Kinds) > 0 {
		out, err := w.mend(ctx, order, start, "")
		if err == nil && len(out.Done) > 0 || slices.Contains(order.Kinds, Address) {
			found = w.look(ctx)
			if ctx.Err() != nil {
				return
			}
			w.digest(found, Repaired)
		}
	}
	w.conclude(ctx, found, start)
}

// conclude shows what a pass found in the end.
func (w *watcher) conclude(ctx context.Context, found Found, start time.Time) {
	w.leases(found.Leases, found.Renew)
	now := w.d.Now()
	w.next = later(w.next, now.Add(w.site.Schedule.Every/10))
	if w.relook = w.softly() && !w.relook; w.relook {
		w.soon(now.Add(softPause))
	}
	if w.Known[subjectGateway()] != nil && w.retry.IsZero() && len(w.mayMend(Router)) > 0 {
		w.retry = now.Add(firstRetry) // many routers do not say that they are back
	}
	if !w.again.IsZero() {
		w.soon(later(w.again, now.Add(time.Second)))
		w.again = time.Time{}
	}
	found.Report.Site, found.Report.Drift = w.site.Name, true
	w.snapshot = Snapshot{
		Site: w.site.Name, File: w.site.File, Host: w.site.Host, LAN: w.site.LAN, Public: found.Public,
		At: start, Took: now.Sub(start), Next: w.next, Report: found.Report, Err: found.Err, Leases: found.Leases, Config: w.wrongConfig,
	}
	level := slog.LevelDebug
	if n := len(w.Known); w.broken == nil || *w.broken != n {
		level, w.broken = slog.LevelInfo, &n
	}
	attrs := []any{"seconds", w.snapshot.Took.Seconds(), "broken", len(w.Known), "next", w.next.Format(time.DateTime)}
	if found.Err != nil {
		attrs = append(attrs, "error", found.Err)
	}
	w.log.Log(ctx, level, "looked", attrs...)
	w.seen()
	w.save()
}

// leases notes when the next one has to be renewed.
func (w *watcher) leases(_ []Lease, renew time.Time) {
	w.renew = time.Time{}
	if len(w.mayMend(Router)) > 0 && !renew.IsZero() {
		w.renew = later(renew, w.d.Now().Add(renewPause))
	}
}
