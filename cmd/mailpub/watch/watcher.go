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
	w.wrongConfig = c.wrong
	if c.wrong != nil {
		w.snapshot.Config = c.wrong
		if !w.snapshot.At.IsZero() {
			w.seen()
		}
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
