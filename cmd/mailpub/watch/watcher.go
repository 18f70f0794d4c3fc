package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of one site.
const (
	passTime   = 10 * time.Minute // for a whole pass
	repairTime = 2 * time.Minute
	graceTime  = time.Minute // for functions that do not stop in time, before the watcher counts as dead

	eventPause = 5 * time.Second // between two passes that events ask for
	gonePause  = 5 * time.Second // a router that says goodbye may be back at once
	busyPause  = 5 * time.Second // while somebody else works on the site
	busyMost   = 2 * time.Minute // then it is looked at all the same
	softPause  = 20 * time.Second
	firstRetry = time.Second // of a repair that failed; then twice as long each time
	renewPause = 10 * time.Second
)

// poke is something that does not wait for the next pass.
type poke struct {
	signal *Signal
	at     time.Time     // when it was heard
	jump   time.Duration // without a signal: of the clock
}

// change is what became of the site's config.
type change struct {
	site   *Site // as it is now
	mended bool  // it was wrong
	wrong  error // it can't be used
}

// watcher watches one site. Everything but pokes and stuck belongs to the goroutine of run.
type watcher struct {
	site    Site
	d       *Daemon
	log     *slog.Logger
	pokes   chan poke
	changes chan change               // the latest
	stuck   atomic.Pointer[time.Time] // when what is under way should have ended long ago; nil: it waits

	telling sync.Mutex // an observer is told one thing at a time

	memory
	queues    *queues
	snapshot  Snapshot
	unlisten  func()
	next      time.Time // pass
	renew     time.Time // leases; zero: none
	retry     time.Time // of a repair that failed; zero: none
	failures  int
	lastPass  time.Time
	busySince time.Time
	relook    bool // the next pass comes soon, as something may be gone by then
}

func newWatcher(d *Daemon, site Site) *watcher {
	w := &watcher{d: d, pokes: make(chan poke, 16), changes: make(chan change, 1), queues: newQueues(d.Logger)}
	w.queues.undelivered = func(channel string, n Notice, err error) {
		d.happened(n.Site, &w.telling, Event{Kind: NoticeUndelivered, Subject: channel, Text: channel + " did not take \"" + n.Title + "\": " + err.Error()})
	}
	w.adopt(site)
	return w
}

// adopt takes up a site, new or changed.
func (w *watcher) adopt(site Site) {
	w.site = site
	w.log = w.d.Logger.With("site", site.Name)
	w.queues.use(site.Channels)
}

// tell pokes the watcher. It never waits: of many pokes at once some are as good as all.
func (w *watcher) tell(p poke) {
	select {
	case w.pokes <- p:
	default:
	}
}

// configure hands over what became of the config. What the watcher has not taken up yet is no
// longer of interest. Only one goroutine may call it.
func (w *watcher) configure(c change) {
	select {
	case <-w.changes:
	default:
	}
	w.changes <- c
}

// run watches until ctx is done.
func (w *watcher) run(ctx context.Context) {
	defer w.queues.close(flushTime)
	release, ok := w.lead(ctx)
	if !ok {
		return
	}
	defer release()
	w.load()
	w.listen(ctx)
	defer func() { w.unlisten() }()
	for ctx.Err() == nil {
		w.pass(ctx)
		w.wait(ctx)
	}
}

// lead waits until no other daemon watches the site; false when ctx is done before.
func (w *watcher) lead(ctx context.Context) (release func(), ok bool) {
	if w.site.Lead == nil {
		return func() {}, true
	}
	type led struct {
		release func()
		err     error
	}
	for {
		answer, waiting := make(chan led, 1), make(chan string, 1)
		lead := w.site.Lead
		go func() {
			release, err := lead(ctx, func(who string) { waiting <- who })
			answer <- led{release, err}
		}()
		waited, got := false, false
		var l led
		for !got {
			select {
			case who := <-waiting:
				waited = true
				w.happened(Event{Kind: StandingBy, Text: "standing by, as " + who + " watches it"})
				w.snapshot = Snapshot{Site: w.site.Name, File: w.site.File, Host: w.site.Host, LAN: w.site.LAN, At: w.d.Now(), Standby: true}
				w.seen()
			case l = <-answer:
				got = true
			case <-w.pokes:
			case c := <-w.changes:
				if c.site != nil {
					w.adopt(*c.site)
				}
			}
		}
		switch {
		case l.err == nil && waited:
			w.happened(Event{Kind: TookOver, Text: "took over: the other one ended"})
			return l.release, true
		case l.err == nil:
			return l.release, true
		case ctx.Err() != nil:
			return nil, false
		}
		w.log.Error("can't make sure that nobody else watches the site", "error", l.err)
		if !sleep(ctx, time.Minute) {
			return nil, false
		}
	}
}

// sleep waits, and reports whether ctx is not done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// listen hears the router from now on, and no more as it was before.
func (w *watcher) listen(ctx context.Context) {
	if w.unlisten != nil {
		w.unlisten()
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	hear, log := w.site.Listen, w.log
	go func() {
		defer close(done)
		for pause := time.Minute; hear != nil && ctx.Err() == nil; pause = min(2*pause, time.Hour) {
			err := hear(ctx, func(s Signal) { w.tell(poke{signal: &s, at: w.d.Now()}) })
			if err != nil && ctx.Err() == nil {
				log.Warn("the router is not heard", "error", err, "again in", pause)
			}
			sleep(ctx, pause)
		}
	}()
	w.unlisten = func() { cancel(); <-done }
}

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

// wait sleeps until something is to be done, and does what is no pass.
func (w *watcher) wait(ctx context.Context) {
	for ctx.Err() == nil {
		at := w.next
		for _, t := range []time.Time{w.renew, w.retry} {
			if !t.IsZero() && t.Before(at) {
				at = t
			}
		}
		timer := time.NewTimer(at.Sub(w.d.Now()))
		select {
		case <-ctx.Done():
		case p := <-w.pokes:
			w.poked(ctx, p)
		case c := <-w.changes:
			w.changed(ctx, c)
		case <-timer.C:
		}
		timer.Stop()
		now := w.d.Now()
		if !w.next.After(now) {
			return
		}
		if due(w.retry, now) || due(w.renew, now) {
			w.retry, w.renew = time.Time{}, time.Time{}
			failed := w.failures
			if _, err := w.mend(ctx, Order{Kinds: w.mayMend(Router)}, now, "the router forgot its forwards"); err == nil && failed > 0 {
				w.soon(w.d.Now()) // it is back
			}
		}
	}
}

func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// soon makes the next pass come at a time, if it would not come before.
func (w *watcher) soon(at time.Time) {
	if at.Before(w.next) {
		w.next = at
	}
}

// poked takes up what does not wait for the next pass.
func (w *watcher) poked(ctx context.Context, p poke) {
	now := w.d.Now()
	if p.signal == nil {
		w.happened(Event{Kind: ClockJumped, Text: "the clock jumped by " + p.jump.Round(time.Second).String()})
		w.next = now
		return
	}
	w.happened(Event{Kind: p.signal.Kind, Text: p.signal.Text})
	at := later(now, w.lastPass.Add(eventPause))
	switch p.signal.Kind {
	case RouterGone:
		at = later(at, now.Add(gonePause))
	case RouterRestarted:
		w.failures = 0
		w.mend(ctx, Order{Kinds: w.mayMend(Router)}, p.at, "the router restarted and forgot its forwards")
	}
	w.soon(at)
}

// changed takes up what became of the config.
func (w *watcher) changed(ctx context.Context, c change) {
	if c.wrong != nil {
		e := w.happened(Event{Kind: ConfigWrong, Subject: w.site.File, Text: "the config is wrong, and the former one holds: " + c.wrong.Error()})
		w.notify(Notice{Kind: ConfigWrong, Title: "the config " + w.site.File + " is wrong, and the former one holds", Text: e.Text})
		return
	}
	w.adopt(*c.site)
	w.listen(ctx)
	w.next = w.d.Now()
	e := w.happened(Event{Kind: Reloaded, Subject: w.site.File, Text: "the config was read again"})
	if c.mended {
		w.notify(Notice{Kind: Reloaded, Title: "the config " + w.site.File + " is right again", Text: e.Text})
	}
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
	w.conclude(found, start)
}

// conclude shows what a pass found in the end.
func (w *watcher) conclude(found Found, start time.Time) {
	w.leases(found.Leases, found.Renew)
	now := w.d.Now()
	w.next = later(w.next, now.Add(w.site.Schedule.Every/10))
	if w.relook = w.softly() && !w.relook; w.relook {
		w.soon(now.Add(softPause))
	}
	if w.Known[subjectGateway] != nil && w.retry.IsZero() && len(w.mayMend(Router)) > 0 {
		w.retry = now.Add(firstRetry) // many routers do not say that they are back
	}
	if !w.again.IsZero() {
		w.soon(later(w.again, now.Add(time.Second)))
		w.again = time.Time{}
	}
	found.Report.Site, found.Report.Drift = w.site.Name, true
	w.snapshot = Snapshot{
		Site: w.site.Name, File: w.site.File, Host: w.site.Host, LAN: w.site.LAN, Public: found.Public,
		At: start, Took: now.Sub(start), Next: w.next, Report: found.Report, Err: found.Err, Leases: found.Leases,
	}
	w.log.Debug("looked", "seconds", w.snapshot.Took.Seconds(), "broken", len(w.Known), "next", w.next.Format(time.DateTime), "error", found.Err)
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
