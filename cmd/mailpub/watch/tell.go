package watch

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// emit tells the observers and the log of an event.
func (w *watcher) emit(e Event) Event { return w.d.emit(w.site.Name, &w.telling, e) }

// emit tells of an event of a site, one at a time.
func (d *Daemon) emit(site string, one *sync.Mutex, e Event) Event {
	one.Lock()
	defer one.Unlock()

	e.Site = site
	e.At = d.Now()
	level := slog.LevelInfo

	switch e.Kind {
	case Broke, RepairFailed, AddressChanged, AddressHeld, Flapping, ConfigWrong, NoticeUndelivered, RouterGone:
		level = slog.LevelWarn
	}

	attrs := []any{"event", e.Kind}
	if e.Subject != "" {
		attrs = append(attrs, "subject", e.Subject)
	}

	if e.Took > 0 {
		attrs = append(attrs, "seconds", seconds(e.Took))
	}

	d.Logger.With("site", site).Log(context.Background(), level, e.Text, attrs...)
	for _, o := range d.Observers {
		o.Happened(e)
	}

	return e
}

// notify hands a notice to the channels.
func (w *watcher) notify(n Notice) {
	n.Site = w.site.Name
	n.Host = w.site.Host
	n.At = w.d.Now()

	if n.Text == "" {
		n.write()
	}

	n.clean()
	n.translate(w.site.Language)
	w.queues.put(n)
}

// stateChanges tells what changed: an event for each thing, and one notice for all that broke, one for
// all that is well again. by says whether it was repaired.
func (w *watcher) reportChanges(n stateChanges, by Kind) {
	if n.empty() {
		return
	}

	now := w.d.Now()
	if len(n.broke) > 0 {
		notice := Notice{Kind: Broke, Title: "broken: " + title(n.broke)}
		for _, t := range n.broke {
			if t.Under == (subjectKey{}) {
				w.emit(Event{
					Kind:    Broke,
					Subject: t.Subject.String(),
					Text:    brokenTitle(t, n.broke),
					Since:   t.Since,
				})
			}

			notice.Things = append(notice.Things, t.item(now, false))
		}

		w.notify(notice)
	}

	if len(n.healed) > 0 {
		if by != Repaired {
			by = Healed
		}

		notice := Notice{Kind: by, Title: resolvedTitle(n.healed, by)}
		var took time.Duration
		for _, t := range n.healed {
			took = max(took, now.Sub(t.Since))
			if t.Under == (subjectKey{}) {
				w.emit(Event{
					Kind:    by,
					Subject: t.Subject.String(),
					Text:    resolvedTitle([]*problem{t}, by) + consequencesOf(n.healed, t),
					Since:   t.Since,
					Took:    now.Sub(t.Since),
				})
			}

			notice.Things = append(notice.Things, t.item(now, true))
		}

		notice.Title += ", after " + formatDuration(took)
		w.notify(notice)
	}

	for _, t := range n.flapping {
		text := t.Subject.String() + " is flapping; notices are muted until it is stable for " +
			formatDuration(flapWindow)

		w.emit(Event{
			Kind:    Flapping,
			Subject: t.Subject.String(),
			Text:    text,
			Since:   t.Since,
		})

		w.notify(Notice{
			Kind:   Flapping,
			Title:  "flapping: " + t.Subject.String(),
			Things: []Item{t.item(now, false)},
			Text:   text,
		})
	}

	for _, r := range n.settled {
		text := r.subject.String() + " is stable again, and works"
		if r.broken != nil {
			text = r.subject.String() + " is stable again, and is broken"
		}
		w.emit(Event{Kind: Settled, Subject: r.subject.String(), Text: text})
		w.notify(Notice{Kind: Settled, Title: text})
	}

	w.save()
}

// brokenTitle says in one line what broke: the cause, with what follows from it in a list, or as it was
// seen.
func brokenTitle(t *problem, list []*problem) string {
	if more := consequencesOf(list, t); more != "" {
		return t.name() + more
	}
	return t.name() + ": " + strings.TrimPrefix(t.Got, t.name()+": ")
}

// resolvedTitle says in one line what is well again.
func resolvedTitle(list []*problem, by Kind) string {
	text := title(list)
	switch {
	case by == Repaired:
		return "repaired: " + text
	case slices.ContainsFunc(list, func(t *problem) bool {
		return t.says != "" && strings.HasPrefix(text, t.says)
	}):
		return "over: " + text // that no router answers is not well again
	}

	return "well again: " + text
}

// consequencesOf says in brackets what of a list follows from a trouble.
func consequencesOf(list []*problem, root *problem) string {
	var names []string
	for _, t := range list {
		if t.Under == root.Subject {
			names = append(names, t.Subject.String())
		}
	}

	if names == nil {
		return ""
	}

	return " (and " + strings.Join(names, ", ") + ")"
}
