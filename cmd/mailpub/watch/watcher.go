package watch

import (
	"context"
	"log/slog"
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

// wakeup is something that does not wait for the next pass.
type wakeup struct {
	signal *RouterEvent
	at     time.Time     // when it was heard
	jump   time.Duration // without a signal: of the clock
}

// configChange is what became of the site's config.
type configChange struct {
	site   *Site // as it is now
	mended bool  // it was wrong
	wrong  error // it can't be used
}

// watcher watches one site. Everything but pokes and stuck belongs to the goroutine of run.
type watcher struct {
	site    Site
	d       *Daemon
	log     *slog.Logger
	pokes   chan wakeup
	changes chan configChange         // the latest
	stuck   atomic.Pointer[time.Time] // when what is under way should have ended long ago; nil: it waits

	telling sync.Mutex // an observer is told one thing at a time

	memory
	queues      *queues
	snapshot    Snapshot
	unlisten    func()
	next        time.Time // pass
	renew       time.Time // leases; zero: none
	retry       time.Time // of a repair that failed; zero: none
	failures    int
	wrongConfig error // why the config as it is now can't be used; nil: it can
	lastPass    time.Time
	busySince   time.Time
	broken      *int // how many things were when that was logged last; nil: never
	relook      bool // the next pass comes soon, as something may be gone by then
}

func newWatcher(d *Daemon, site Site) *watcher {
	w := &watcher{
		d:       d,
		pokes:   make(chan wakeup, 16),
		changes: make(chan configChange, 1),
		queues:  newQueues(d.Logger),
	}

	w.queues.undelivered = func(channel string, n Notice, err error) {
		d.emit(n.Site, &w.telling, Event{
			Kind:    NoticeUndelivered,
			Subject: channel,
			Text:    channel + " did not take \"" + n.Title + "\": " + err.Error(),
		})
	}

	w.setSite(site)
	return w
}

// setSite takes up a site, new or changed.
func (w *watcher) setSite(site Site) {
	w.site = site
	w.log = w.d.Logger.With("site", site.Name)
	w.queues.setChannels(site.Channels)
}

// wake pokes the watcher. It never waits: of many pokes at once some are as good as all.
func (w *watcher) wake(p wakeup) {
	select {
	case w.pokes <- p:
	default:
	}
}

// configure hands over what became of the config. What the watcher has not taken up yet is no
// longer of interest. Only one goroutine may call it.
func (w *watcher) configure(c configChange) {
	select {
	case <-w.changes:
	default:
	}
	w.changes <- c
}

// run watches until ctx is done.
func (w *watcher) run(ctx context.Context) {
	defer w.queues.close(flushTime)

	release, ok := w.acquireLead(ctx)
	if !ok {
		return
	}

	defer release()

	w.load()
	w.listen(ctx)
	defer func() { w.unlisten() }()

	for ctx.Err() == nil {
		onFreshStack(func() { w.pass(ctx) })
		w.wait(ctx)
	}
}

// onFreshStack runs f on a stack of its own. A look needs a large one; the goroutine that waits for the next look
// would keep it, of each site.
func onFreshStack(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
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
			w.handleWakeup(ctx, p)
		case c := <-w.changes:
			w.changed(ctx, c)
		case <-timer.C:
		}

		timer.Stop()
		now := w.d.Now()
		if !w.next.After(now) {
			return
		}

		if isDue(w.retry, now) || isDue(w.renew, now) {
			w.retry = time.Time{}
			w.renew = time.Time{}
			failed := w.failures
			if _, err := w.carryOut(ctx, RepairRequest{Kinds: w.allowedRepairs(Router)}, now,
				"the router forgot its forwards"); err == nil && failed > 0 {
				w.schedule(w.d.Now()) // it is back
			}
		}
	}
}

func isDue(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// schedule makes the next pass come at a time, if it would not come before.
func (w *watcher) schedule(at time.Time) {
	if at.Before(w.next) {
		w.next = at
	}
}

// handleWakeup takes up what does not wait for the next pass.
func (w *watcher) handleWakeup(ctx context.Context, p wakeup) {
	now := w.d.Now()
	if p.signal == nil {
		w.emit(Event{
			Kind: ClockJumped,
			Text: "the clock jumped by " + p.jump.Round(time.Second).String(),
		})
		w.next = now
		return
	}

	w.emit(Event{Kind: p.signal.Kind, Text: p.signal.Text})
	at := laterOf(now, w.lastPass.Add(eventPause))
	switch p.signal.Kind {
	case RouterGone:
		at = laterOf(at, now.Add(gonePause))
	case RouterRestarted:
		w.failures = 0
		w.carryOut(ctx, RepairRequest{Kinds: w.allowedRepairs(Router)}, p.at,
			"the router restarted and forgot its forwards")
	}

	w.schedule(at)
}

// changed takes up what became of the config.
func (w *watcher) changed(ctx context.Context, c configChange) {
	w.wrongConfig = c.wrong
	if c.wrong != nil {
		w.snapshot.Config = c.wrong
		switch {
		case !w.snapshot.At.IsZero():
			w.publishSnapshot()
		case !w.lastPass.IsZero(): // what was seen is not kept: it is looked at again, and that says so
			w.next = w.d.Now()
		}

		e := w.emit(Event{
			Kind:    ConfigWrong,
			Subject: w.site.File,
			Text: "the config has errors; the former version stays in use: " +
				c.wrong.Error(),
		})

		w.notify(Notice{
			Kind:  ConfigWrong,
			Title: "the config " + w.site.File + " has errors; the former version stays in use",
			Text:  e.Text,
		})

		return
	}

	w.setSite(*c.site)
	w.listen(ctx)
	w.next = w.d.Now()
	e := w.emit(Event{Kind: Reloaded, Subject: w.site.File, Text: "the config was read again"})

	if c.mended {
		w.notify(Notice{
			Kind:  Reloaded,
			Title: "the config " + w.site.File + " is right again",
			Text:  e.Text,
		})
	}
}
