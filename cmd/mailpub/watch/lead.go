package watch

import (
	"context"
	"time"
)

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
