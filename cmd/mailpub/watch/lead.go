package watch

import (
	"context"
	"time"
)

// leadResult is what comes of trying to lead.
type leadResult struct {
	release func()
	err     error
}

// acquireLead waits until no other daemon watches the site; false when ctx is done before. That it can't
// be made sure of is told once: the site is not watched then.
func (w *watcher) acquireLead(ctx context.Context) (release func(), ok bool) {
	if w.site.Lead == nil {
		return func() {}, true
	}

	for failed := false; ; failed = true {
		l := w.tryToLead(ctx)
		switch {
		case l.err == nil && failed:
			e := w.emit(Event{Kind: Healed, Subject: "lead", Text: "it is watched again"})
			w.notify(Notice{Kind: Healed, Title: e.Text})
			return l.release, true
		case l.err == nil:
			return l.release, true
		case ctx.Err() != nil:
			return nil, false
		case !failed:
			e := w.emit(Event{
				Kind:    Broke,
				Subject: "lead",
				Text: "the site is not watched: cannot find out whether another mailpub watches it: " +
					l.err.Error(),
			})
			w.notify(Notice{Kind: Broke, Title: e.Text})
		}

		if !sleep(ctx, time.Minute) {
			return nil, false
		}
	}
}

// tryToLead stands by as long as another daemon leads.
func (w *watcher) tryToLead(ctx context.Context) leadResult {
	answer := make(chan leadResult, 1)
	waiting := make(chan string, 1)
	lead := w.site.Lead
	go func() {
		release, err := lead(ctx, func(who string) { waiting <- who })
		answer <- leadResult{release, err}
	}()

	waited := false
	for {
		select {
		case who := <-waiting:
			waited = true
			w.emit(Event{Kind: StandingBy, Text: "standing by, as " + who + " watches it"})
			w.snapshot = Snapshot{
				Site:     w.site.Name,
				File:     w.site.File,
				Host:     w.site.Host,
				Language: w.site.Language,
				LAN:      w.site.LAN,
				At:       w.d.Now(),
				Standby:  true,
			}

			w.publishSnapshot()
		case l := <-answer:
			if waited && l.err == nil {
				w.emit(Event{Kind: TookOver, Text: "became active: the other daemon ended"})
			}
			return l
		case <-w.pokes:
		case c := <-w.changes:
			if c.site != nil {
				w.setSite(*c.site)
			}
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
	hear := w.site.Listen
	log := w.log
	go func() {
		defer close(done)

		for pause := time.Minute; hear != nil &&
			ctx.Err() == nil; pause = min(2*pause, time.Hour) {
			err := hear(ctx, func(s RouterEvent) {
				w.wake(wakeup{signal: &s, at: w.d.Now()})
			})

			if err != nil && ctx.Err() == nil {
				log.Warn("cannot listen for the router's announcements", "error", err,
					"again in", pause)
			}

			sleep(ctx, pause)
		}
	}()

	w.unlisten = func() { cancel(); <-done }
}
