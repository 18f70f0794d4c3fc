package fleet

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// HistoryDir is the directory where the past of the sites of a state directory is kept.
func HistoryDir(dir string) string { return filepath.Join(dir, "history") }

// What a page shows of the past.
const (
	daysShown   = 30
	eventsShown = 50
)

// historyRecorder hears what watch sees: it shows it on the status page, and keeps it in the history.
// It does not wait for a disk that is slow or full. It implements watch.Observer.
type historyRecorder struct {
	log   *slog.Logger
	pages *page.Server // nil without a page

	mu    sync.Mutex
	sites map[string]*sitePast
	homes map[string]string // history of each site

	stores map[string]*history.Store // by path; run's alone, as are:
	full   bool                      // writing failed last time, and that was said
	pruned map[*history.Store]time.Time

	work chan any // watch.Snapshot or watch.Event
}

// sitePast is what is shown of a site's past.
type sitePast struct {
	events []watch.Event // newest first
	days   []history.Day
}

func newHistoryRecorder(log *slog.Logger, pages *page.Server) *historyRecorder {
	return &historyRecorder{
		log:    log,
		pages:  pages,
		sites:  map[string]*sitePast{},
		homes:  map[string]string{},
		stores: map[string]*history.Store{},
		pruned: map[*history.Store]time.Time{},
		work:   make(chan any, 1024),
	}
}

// setSites says which sites are watched from now on.
func (c *historyRecorder) setSites(sites []watch.Site) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for name := range c.sites {
		if c.homes[name] == "" { // a file that was wrong; where it still is, it is shown again
			delete(c.sites, name)
			if c.pages != nil {
				c.pages.Forget(name)
			}
		}
	}

	for _, s := range sites {
		c.homes[s.Name] = HistoryDir(filepath.Dir(s.Home))
		if c.sites[s.Name] == nil {
			c.show(watch.Snapshot{
				Site:     s.Name,
				File:     s.File,
				Host:     s.Host,
				Language: s.Language,
				LAN:      s.LAN,
			})
		}
	}
}

// show shows how a site is now. c.mu is held.
func (c *historyRecorder) show(s watch.Snapshot) {
	past := c.sites[s.Site]
	if past == nil {
		past = &sitePast{}
		c.sites[s.Site] = past
	}

	if c.pages != nil {
		c.pages.Show(page.Site{Snapshot: s, Events: past.events, Days: past.days})
	}
}

// Seen implements watch.Observer.
func (c *historyRecorder) Seen(s watch.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.show(s)

	if !s.Standby && c.homes[s.Site] != "" { // the one that leads keeps the history; a file that is wrong has none
		c.enqueue(s)
	}
}

// Happened implements watch.Observer.
func (c *historyRecorder) Happened(e watch.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.enqueue(e)
	if e.Kind == watch.Left {
		delete(c.sites, e.Site)
		if c.pages != nil {
			c.pages.Forget(e.Site)
		}
		return
	}

	past := c.sites[e.Site]
	if past == nil || c.pages == nil || c.pages.HasMany() {
		return // of many sites the past is read when somebody looks
	}

	past.events = append([]watch.Event{e},
		past.events[:min(len(past.events), eventsShown-1)]...)
	c.pages.ShowPast(e.Site, past.events, past.days)
}

// enqueue has something written. What there is no room for is lost, not waited for.
func (c *historyRecorder) enqueue(what any) {
	select {
	case c.work <- what:
	default:
	}
}

// run writes until ctx is done, and what is left then.
func (c *historyRecorder) run(ctx context.Context) {
	rest := context.WithoutCancel(ctx)
	for {
		select {
		case what := <-c.work:
			c.write(rest, what)
			continue
		default:
		}

		select {
		case what := <-c.work:
			c.write(rest, what)
		case <-ctx.Done():
			return
		}
	}
}

func (c *historyRecorder) write(ctx context.Context, what any) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()

	err := c.keep(ctx, what)
	switch {
	case err != nil && !c.full:
		c.log.Warn("cannot write the history; watching continues", "error", err)
	case err == nil && c.full:
		c.log.Info("the history is written again")
	}

	c.full = err != nil
}

func (c *historyRecorder) keep(ctx context.Context, what any) error {
	switch v := what.(type) {
	case watch.Event:
		store, err := c.store(ctx, v.Site)
		if err != nil {
			return err
		}
		return store.AddEvent(ctx, v)
	case watch.Snapshot:
		store, err := c.store(ctx, v.Site)
		if err != nil {
			return err
		}

		valid := v.Took + time.Minute // a late pass leaves no gap
		if v.Next.After(v.At) {
			valid += v.Next.Sub(v.At)
		}

		if err := store.AddState(ctx, v.Site, v.At, page.StateOf(v), valid); err != nil {
			return err
		}

		if v.At.Sub(c.pruned[store]).Abs() > 24*time.Hour {
			if err := store.Prune(ctx, v.At.Add(-history.Keep)); err != nil {
				return err
			}
			c.pruned[store] = v.At
		}

		return c.showHistory(ctx, store, v)
	}

	return nil
}

// store opens the history of a site.
func (c *historyRecorder) store(ctx context.Context, site string) (*history.Store, error) {
	c.mu.Lock()
	path := c.homes[site]
	c.mu.Unlock()

	if s := c.stores[path]; s != nil {
		return s, nil
	}

	s, err := history.Open(ctx, path)
	if err == nil {
		c.stores[path] = s
	}

	return s, err
}

// showHistory shows the past of a site, where somebody may look.
func (c *historyRecorder) showHistory(ctx context.Context, store *history.Store, v watch.Snapshot) error {
	if c.pages == nil || c.pages.HasMany() {
		return nil
	}

	days, events, err := loadHistory(ctx, store, v.Site, v.At)
	if err != nil {
		return err
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	if past := c.sites[v.Site]; past != nil {
		past.days = days
		if len(past.events) < len(events) { // those from before the daemon began
			past.events = events
		}
		c.pages.ShowPast(v.Site, past.events, past.days)
	}

	return nil
}

// readPast reads the past of a site, for a page that is drawn now. What can't be read is not shown.
func (c *historyRecorder) readPast(site string) ([]watch.Event, []history.Day) {
	c.mu.Lock()
	path := c.homes[site]
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	store, err := history.Open(ctx, path)
	if err != nil {
		return nil, nil
	}

	days, events, err := loadHistory(ctx, store, site, time.Now())
	if err != nil {
		return nil, nil
	}

	return events, days
}

// loadHistory reads what a page shows of the past.
func loadHistory(ctx context.Context, store *history.Store, site string, now time.Time) ([]history.Day, []watch.Event, error) {
	days, err := store.Days(ctx, site, now, daysShown)
	if err != nil {
		return nil, nil, err
	}

	events, err := store.Events(ctx, site, eventsShown)
	return days, events, err
}
