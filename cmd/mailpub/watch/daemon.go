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
	"sync/atomic"
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
	reloads chan struct{}
	anew    atomic.Bool   // the next reload takes up every site, whatever the files say
	news    chan struct{} // a site is other than it was

	mu     sync.Mutex
	sites  []*runningSite    // replaced as a whole
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
	name  string
	of    Site // as it was loaded last; apply's alone
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
		d.reloads = make(chan struct{}, 1)
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
	reloading := make(chan struct{})
	go func() {
		defer close(reloading)
		d.reloadLoop(ctx)
	}()

	d.loop(ctx)
	<-reloading
	d.state("stopping")

	running := d.running()
	for _, r := range running {
		r.stop()
	}

	for _, r := range running {
		<-r.ended
	}

	return nil
}

// running are the sites that are watched.
func (d *Daemon) running() []*runningSite {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sites
}

// Reload makes the daemon read its configs again, and take up every site anew.
func (d *Daemon) Reload() { d.requestReload(true) }

// Changed makes the daemon read its configs again a moment later: editors write in several
// steps, and what was written twice is read once.
func (d *Daemon) Changed() { d.requestReload(false) }

func (d *Daemon) requestReload(all bool) {
	d.prepare()
	if all {
		d.anew.Store(true)
	}

	select {
	case d.reloads <- struct{}{}:
	default:
	}
}

// settleTime is how long the files must be left alone before they are read again.
const settleTime = 500 * time.Millisecond

// reloadLoop reads the configs again when it is asked to. The sites and the sign of life do not wait for it.
func (d *Daemon) reloadLoop(ctx context.Context) {
	var settle <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reloads:
			if d.anew.Swap(false) {
				settle = nil
				d.reload(ctx, true)
			} else {
				settle = time.After(settleTime)
			}
		case <-settle:
			settle = nil
			d.reload(ctx, false)
		}
	}
}

// loop gives the sign of life, and notices a clock that is set.
func (d *Daemon) loop(ctx context.Context) {
	beat := time.NewTicker(d.Heartbeat)
	defer beat.Stop()

	last := time.Now()
	wall := d.Now().Round(0)

	for {
		select {
		case <-ctx.Done():
			return
		case <-d.news:
			d.sendHeartbeat()
		case <-beat.C:
			now := time.Now()
			w := d.Now().Round(0)
			if jump := w.Sub(wall) - now.Sub(last); jump > jumpFrom || jump < -jumpFrom {
				for _, r := range d.running() {
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
	for _, r := range d.running() {
		if !r.isAlive() {
			d.Logger.Error("a pass does not finish", "site", r.name)
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
		if state, ok := d.states[r.name]; ok {
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

// apply makes the running sites those that were loaded. It is called by one goroutine at a time.
func (d *Daemon) apply(ctx context.Context, sites []Site, wrong []BadConfig, all bool) {
	left := map[string]*runningSite{}
	for _, r := range d.running() {
		left[r.of.Home] = r
	}

	now := make([]*runningSite, 0, len(sites))
	first := make(map[string]string, len(sites)) // name of a site to its file
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

		now = append(now, r)
	}

	former, unread := d.keepFormer(left, wrong)
	d.mu.Lock()
	d.sites = append(now, former...)
	d.mu.Unlock()

	for _, r := range left {
		r.stop()
	}

	for _, r := range left {
		<-r.ended
		d.forget(r.name)
		r.emit(Event{Kind: Left, Text: "no longer watched: " + r.of.File})
	}

	d.reportBadConfigs(unread, wrong)
}

// keepFormer takes out of left, and returns, the sites whose config has errors by now: what it was holds.
// unread are the files of which nothing is known from before.
func (d *Daemon) keepFormer(left map[string]*runningSite, wrong []BadConfig) (former []*runningSite, unread map[string]bool) {
	byFile := make(map[string][]*runningSite, len(left))
	for _, r := range left {
		byFile[r.of.File] = append(byFile[r.of.File], r)
	}

	unread = map[string]bool{}
	for _, f := range wrong {
		if byFile[f.File] == nil { // else its own watcher logs it
			d.Logger.Error("errors in a config", "file", f.File, "error", f.Err)
			unread[f.File] = true
		}

		for _, r := range byFile[f.File] {
			delete(left, r.of.Home)
			former = append(former, r)
			if !r.wrong {
				r.wrong = true
				r.configure(configChange{wrong: f.Err})
			}
		}
	}

	return former, unread
}

// forget takes a site that is watched no more out of what status counts.
func (d *Daemon) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.states, name)
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
		name:    s.Name,
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
