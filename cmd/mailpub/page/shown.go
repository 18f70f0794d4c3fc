package page

import (
	"bytes"
	"compress/flate"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
)

// manySites is the number of sites from which on what is known of each is kept packed, per-site metrics are
// written only for what is not well, and browsers hear of news every few seconds only.
const manySites = 100

// statuses are those of a check, in the order of their samples.
var statuses = [...]plan.Status{plan.Pass, plan.Warn, plan.Fail, plan.Skip}

// Server serves the pages of sites. Safe for concurrent use.
type Server struct {
	Version string
	// Health says what keeps the daemon from watching; nil: nothing does.
	Health func() error
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Past reads the past of a site of a fleet when it is drawn; nil: it was shown (ShowPast).
	Past func(site string) ([]watch.Event, []history.Day)

	mu     sync.Mutex // never held while something is drawn
	sites  map[string]*shownSite
	sorted []*shownSite // by name; nil: not sorted since sites came or went
	stamp  int64
	news   chan struct{} // closed when something is new
	listen int

	drawings drawings
}

// shownSite is what is shown of a site. It is replaced, never changed.
type shownSite struct {
	summary
	site   Site   // with packed: without its snapshot
	packed []byte // of a fleet: the snapshot
	stamp  int64
}

// summary is what an overview, totals and health have of a site.
type summary struct {
	Name     string
	File     string
	State    history.State
	Headline string // in English
	Language lang.Language
	At       time.Time
	Took     time.Duration
	Next     time.Time
	Standby  bool

	config      error // the config has errors
	incomplete  bool
	checks      [len(statuses)]int // by status
	differences int
	host        string
}

func summaryOf(s Site) summary {
	out := summary{
		Name:       s.Site,
		File:       s.File,
		State:      s.State(),
		Headline:   s.Headline(),
		Language:   s.Language,
		At:         s.At,
		Took:       s.Took,
		Next:       s.Next,
		Standby:    s.Standby,
		config:     s.Config,
		incomplete: s.Err != nil,
		host:       s.Host,
	}

	for _, c := range s.Report.Checks {
		if at := slices.Index(statuses[:], c.Status); at >= 0 {
			out.checks[at]++
		}
	}

	out.differences = changesOf(s.Report)
	return out
}

// Class is the site's health.
func (s summary) Class() health { return healthOf(s.State) }

// Mark is that of the site's health.
func (s summary) Mark() string { return s.Class().mark() }

// isWatched reports whether the site was looked at, by this process.
func (s summary) isWatched() bool { return !s.Standby && s.Took > 0 }

// needsAttention reports whether something of the site does. Of one that was not looked at, nothing is known.
func (s summary) needsAttention() bool {
	return s.config != nil || s.isWatched() && (s.State != history.Good || s.incomplete)
}

// rank orders sites by how much they need attention, most first.
func (s summary) rank() int {
	switch {
	case s.State == history.Bad:
		return 0
	case s.config != nil:
		return 1
	case s.State == history.Uneasy:
		return 2
	case s.State == history.Unknown && !s.Standby:
		return 3
	case s.State == history.Unknown:
		return 4
	}
	return 5
}

// matches reports whether a site is among what is searched for: words in its name, host or headline.
func (s summary) matches(words []string) bool {
	text := strings.ToLower(s.Name + " " + s.host + " " + s.Headline)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// NewServer returns a server that shows no site yet.
func NewServer(version string) *Server {
	return &Server{
		Version: version,
		sites:   map[string]*shownSite{},
		news:    make(chan struct{}),
		stamp:   time.Now().UnixNano(),
	}
}

// Show shows a site as it is now, in place of what was known of it.
func (s *Server) Show(site Site) {
	shown := &shownSite{summary: summaryOf(site), site: site}
	if s.HasMany() {
		shown.pack()
	}

	s.change(func(stamp int64) {
		shown.stamp = stamp
		if s.sites[site.Site] == nil {
			s.sorted = nil
		}
		s.sites[site.Site] = shown
		s.replaceSorted(shown)
	})
}

// ShowPast shows another past of a site; what is known of it now stays.
func (s *Server) ShowPast(name string, events []watch.Event, days []history.Day) {
	s.change(func(stamp int64) {
		was := s.sites[name]
		if was == nil {
			return
		}

		shown := *was
		shown.site.Events = events
		shown.site.Days = days
		shown.stamp = stamp
		s.sites[name] = &shown
		s.replaceSorted(&shown)
	})
}

// replaceSorted puts a site in its place among the sorted ones. What was handed out stays as it is. s.mu is
// held.
func (s *Server) replaceSorted(shown *shownSite) {
	if s.sorted == nil {
		return
	}

	at, found := slices.BinarySearchFunc(s.sorted, shown.Name, func(e *shownSite, name string) int {
		return strings.Compare(e.Name, name)
	})

	if found {
		s.sorted[at] = shown
	}
}

// Forget shows a site no longer.
func (s *Server) Forget(name string) {
	s.change(func(int64) {
		delete(s.sites, name)
		s.sorted = nil
	})
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// HasMany reports whether so many sites are shown that their past is read when somebody looks.
func (s *Server) HasMany() bool { return s.count() >= manySites }

func (s *Server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sites)
}

func (s *Server) change(how func(stamp int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp++
	how(s.stamp)
	close(s.news)
	s.news = make(chan struct{})
}

// shown returns what is shown, sorted by name, with its stamp. The list is the caller's.
func (s *Server) shown() (list []*shownSite, stamp int64) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.sorted == nil {
		s.sorted = make([]*shownSite, 0, len(s.sites))
		for _, name := range slices.Sorted(maps.Keys(s.sites)) {
			s.sorted = append(s.sorted, s.sites[name])
		}
	}

	return slices.Clone(s.sorted), s.stamp
}

// find returns what is shown of a site; nil if there is no such site.
func (s *Server) find(name string) *shownSite {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sites[name]
}

// Sites returns what is shown, sorted by name.
func (s *Server) Sites() []Site {
	shown, _ := s.shown()
	list := make([]Site, 0, len(shown))
	for _, one := range shown {
		list = append(list, one.whole())
	}
	return list
}

// packing has compressors, which hold large buffers.
var packing = sync.OnceValue(func() *sync.Pool {
	return &sync.Pool{New: func() any {
		w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
		if err != nil {
			panic(err) // of a level that there is not
		}
		return w
	}}
})

// pack keeps the snapshot in a tenth of the memory.
func (e *shownSite) pack() {
	text, err := e.site.Snapshot.Encode()
	if err != nil || e.site.Standby || e.site.Took == 0 {
		return // it is small
	}

	var out bytes.Buffer
	w := packing().Get().(*flate.Writer)
	defer packing().Put(w)

	w.Reset(&out)
	if _, err := w.Write(text); err != nil {
		return
	}
	if err := w.Close(); err != nil {
		return
	}

	e.packed = slices.Clone(out.Bytes())
	e.site.Snapshot = watch.Snapshot{Site: e.site.Site}
}

// whole is the site with its snapshot.
func (e *shownSite) whole() Site {
	site := e.site
	if e.packed == nil {
		return site
	}

	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(e.packed)))
	if err == nil {
		var s watch.Snapshot
		if s, err = watch.DecodeSnapshot(text); err == nil {
			site.Snapshot = s
		}
	}
	if err != nil { // it was written by pack
		site.Snapshot.Err = err
	}

	return site
}

// changesOf are those of a report that apply would make.
func changesOf(r plan.Report) (n int) {
	for _, c := range r.Changes {
		if c.Differs() {
			n++
		}
	}
	return n
}
