package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Daemon watches sites.
type Daemon struct {
	// Load reads the config files, all anew. wrong are those that can't be watched.
	Load func(context.Context) (sites []Site, wrong []BadConfig, err error)
	// Observers are told what is seen; see Observer.
	Observers []Observer
	Logger    *slog.Logger // default: discards
	// Passes is how many sites are looked at at once; default 32.
	Passes int

	// Beat is called every Heartbeat, and when a site is other than it was, with a line for people,
	// while all sites are watched; when one of them hangs, it is not. Nil: nobody asks.
	Beat      func(status string)
	Heartbeat time.Duration // default 10 s
	// State is called when the daemon has begun ("ready"), begins to read its configs again
	// ("reloading"; then "ready"), and ends ("stopping").
	State func(string)

	Now    func() time.Time    // the wall clock; default time.Now
	Random func(n int64) int64 // below n; default math/rand

	setUp   sync.Once
	slots   chan struct{}
	reloads chan bool     // true: whatever the files say
	news    chan struct{} // a site is other than it was
	sites   []*runningSite

	mu     sync.Mutex
	states map[string]string // of each site: "well", "broken", "on standby"
	unread int               // config files without a site, as they are wrong
}

// BadConfig is a config file that can't be watched.
type BadConfig struct {
	File string
	Err  error
}

// runningSite is a site with the goroutine that watches it.
type runningSite struct {
	*watcher
	of    Site // as it was loaded last
	stop  context.CancelFunc
	ended chan struct{}
	wrong bool // its file is, and that was said
}

func (d *Daemon) prepare() {
	d.setUp.Do(func() {
		if d.Logger == nil {
			d.Logger = slog.New(slog.DiscardHandler)
		}

		if d.Passes == 0 {
			d.Passes = 32
		}

		if d.Heartbeat == 0 {
			d.Heartbeat = 10 * time.Second
		}

		if d.Now == nil {
			d.Now = time.Now
		}

		if d.Random == nil {
			d.Random = rand.Int64N
		}

		d.slots = make(chan struct{}, d.Passes)
		d.reloads = make(chan bool, 1)
		d.news = make(chan struct{}, 1)
		d.states = map[string]string{}
	})
}

// releaseSlot gives back what slot gave.
func (d *Daemon) releaseSlot() { <-d.slots }

// acquireSlot waits for the leave to look at a site; false when ctx is done before.
func (d *Daemon) acquireSlot(ctx context.Context) bool {
	select {
	case d.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Daemon) publishSnapshot(s Snapshot) {
	state := "well"
	switch {
	case s.Standby:
		state = "on standby"
	case s.Config != nil || s.Err != nil || plan.Count(s.Report.Checks).Fail > 0 ||
		slices.ContainsFunc(s.Report.Changes, func(c plan.Change) bool {
			return c.Differs() && !c.Renew
		}):
		state = "broken"
	}

	d.mu.Lock()
	other := d.states[s.Site] != state
	d.states[s.Site] = state
	d.mu.Unlock()

	if other {
		select {
		case d.news <- struct{}{}:
		default:
		}
	}

	for _, o := range d.Observers {
		o.Seen(s)
	}
}

func (d *Daemon) state(s string) {
	if d.State != nil {
		d.State(s)
	}
}

// Run watches until ctx is done, and returns nil then. It fails at once when there is nothing to
// watch.
func (d *Daemon) Run(ctx context.Context) error {
	d.prepare()
	sites, wrong, err := d.Load(ctx)
	if err != nil {
		return err
	}

	if len(sites) == 0 {
		var all error
		for _, f := range wrong {
			all = errors.Join(all, f.Err)
		}

		if all == nil {
			all = errors.New("no site to watch")
		}

		return all
	}

	d.apply(ctx, sites, wrong, false)
	d.state("ready")
	d.sendHeartbeat()
	d.loop(ctx)
	d.state("stopping")

	for _, r := range d.sites {
		r.stop()
	}

	for _, r := range d.sites {
		<-r.ended
	}

	return nil
}

// Reload makes the daemon read its configs again, and take up every site anew.
func (d *Daemon) Reload() { d.requestReload(true) }

// Changed makes the daemon read its configs again a moment later: editors write in several
// steps, and what was written twice is read once.
func (d *Daemon) Changed() { d.requestReload(false) }

func (d *Daemon) requestReload(all bool) {
	d.prepare()
	select {
	case d.reloads <- all:
	default:
	}
}

// settleTime is how long the files must be left alone before they are read again.
const settleTime = 500 * time.Millisecond

func (d *Daemon) loop(ctx context.Context) {
	beat := time.NewTicker(d.Heartbeat)
	defer beat.Stop()

	var settle <-chan time.Time
	last := time.Now()
	wall := d.Now().Round(0)

	for {
		select {
		case <-ctx.Done():
			return
		case all := <-d.reloads:
			if all {
				settle = nil
				d.reload(ctx, true)
			} else {
				settle = time.After(settleTime)
			}
		case <-settle:
			settle = nil
			d.reload(ctx, false)
		case <-d.news:
			d.sendHeartbeat()
		case <-beat.C:
			now := time.Now()
			w := d.Now().Round(0)
			if jump := w.Sub(wall) - now.Sub(last); jump > jumpFrom || jump < -jumpFrom {
				for _, r := range d.sites {
					r.wake(wakeup{jump: jump})
				}
			}

			last, wall = now, w
			d.sendHeartbeat()
		}
	}
}

// jumpFrom is the least that a clock is set by to be noticed: less than what leases allow for.
const jumpFrom = 5 * time.Second

// sendHeartbeat tells that all is alive, unless something hangs.
func (d *Daemon) sendHeartbeat() {
	for _, r := range d.sites {
		if !r.isAlive() {
			d.Logger.Error("a pass does not finish", "site", r.of.Name)
			return
		}
	}

	if d.Beat != nil {
		d.Beat(d.status())
	}
}

// status says in one line how the sites are.
func (d *Daemon) status() string {
	d.mu.Lock()
	defer d.mu.Unlock()

	count := map[string]int{}
	for _, r := range d.sites {
		if state, ok := d.states[r.of.Name]; ok {
			count[state]++
		}
	}

	sites := "1 site"
	if n := len(d.sites); n != 1 {
		sites = fmt.Sprintf("%d sites", n)
	}

	var parts []string
	for _, state := range []string{"well", "broken", "on standby"} {
		if count[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[state], state))
		}
	}

	if d.unread > 0 {
		parts = append(parts, fmt.Sprintf("%d not watched: errors in the config", d.unread))
	}

	if parts == nil {
		return sites + ": looking"
	}

	return sites + ": " + strings.Join(parts, ", ")
}

func (d *Daemon) reload(ctx context.Context, all bool) {
	d.state("reloading")
	defer d.state("ready")

	sites, wrong, err := d.Load(ctx)
	if err != nil {
		d.Logger.Error("cannot read the configs; the former ones stay in use", "error", err)
		return
	}

	d.apply(ctx, sites, wrong, all)
}

// apply makes the running sites those that were loaded.
func (d *Daemon) apply(ctx context.Context, sites []Site, wrong []BadConfig, all bool) {
	left := map[string]*runningSite{}
	for _, r := range d.sites {
		left[r.of.Home] = r
	}

	d.sites = nil
	first := map[string]string{} // name of a site to its file
	for _, s := range sites {
		if file, twice := first[s.Name]; twice {
			wrong = append(wrong, BadConfig{s.File,
				fmt.Errorf("%s: site %q is already in %s, want a unique name", s.File, s.Name,
					file)})
			continue
		}

		first[s.Name] = s.File
		r := left[s.Home]
		delete(left, s.Home)

		if r == nil {
			r = d.start(ctx, s)
		} else if r.reload(s, all) {
			r.of = s
		}

		d.sites = append(d.sites, r)
	}

	unread := map[string]bool{}
	for _, f := range wrong {
		former := false
		for home, r := range left {
			if r.of.File == f.File { // what it was holds
				former = true
				delete(left, home)
				d.sites = append(d.sites, r)
				if !r.wrong {
					r.wrong = true
					r.configure(configChange{wrong: f.Err})
				}
			}
		}

		if !former { // else its own watcher logs it
			d.Logger.Error("errors in a config", "file", f.File, "error", f.Err)
			unread[f.File] = true
		}
	}

	for _, r := range left {
		r.stop()
		<-r.ended
		r.emit(Event{Kind: Left, Text: "no longer watched: " + r.of.File})
	}

	d.reportBadConfigs(unread, wrong)
}

// reportBadConfigs tells the observers of files that are no site, as they are wrong. Such a one is known by
// its file, as its name can't be read.
func (d *Daemon) reportBadConfigs(unread map[string]bool, wrong []BadConfig) {
	d.mu.Lock()
	d.unread = len(unread)
	d.mu.Unlock()

	for _, f := range wrong {
		if unread[f.File] {
			d.publishSnapshot(Snapshot{
				Site:   filepath.Base(f.File),
				File:   f.File,
				At:     d.Now(),
				Config: f.Err,
			})
		}
	}
}

// reload tells a running site that its config was read again, and reports whether it has to take
// up a new one.
func (r *runningSite) reload(s Site, all bool) bool {
	mended := r.wrong
	r.wrong = false
	if !all && !mended && s.Digest == r.of.Digest && s.File == r.of.File {
		return false
	}
	r.configure(configChange{site: &s, mended: mended})
	return true
}

func (d *Daemon) start(ctx context.Context, s Site) *runningSite {
	ctx, stop := context.WithCancel(ctx)
	r := &runningSite{
		watcher: newWatcher(d, s),
		of:      s,
		stop:    stop,
		ended:   make(chan struct{}),
	}

	r.emit(Event{Kind: Joined, Text: "watched from now on: " + s.File})
	go func() {
		defer close(r.ended)
		r.run(ctx)
	}()

	return r
}
