package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
)

// maxListeners is how many browsers are told at once that something is new.
const maxListeners = 64

// fresh is how long a page is handed out again as it is, where nothing is new: what it says of
// times left is that old at most.
const fresh = 2 * time.Second

// Server serves the pages of sites. Safe for concurrent use.
type Server struct {
	Version string
	// Health says what keeps the daemon from watching; nil: nothing does.
	Health func() error
	// Now tells the time; nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	sites  map[string]Site
	stamp  int64
	news   chan struct{} // closed when something is new
	drawn  map[string]cachedPage
	listen int
}

type cachedPage struct {
	stamp int64
	at    time.Time
	body  []byte
}

// NewServer returns a server that shows no site yet.
func NewServer(version string) *Server {
	return &Server{
		Version: version,
		sites:   map[string]Site{},
		news:    make(chan struct{}),
		drawn:   map[string]cachedPage{},
		stamp:   time.Now().UnixNano(),
	}
}

// Show shows a site as it is now, in place of what was known of it.
func (s *Server) Show(site Site) { s.change(func() { s.sites[site.Site] = site }) }

// Forget shows a site no longer.
func (s *Server) Forget(name string) { s.change(func() { delete(s.sites, name) }) }

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Server) change(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how()
	s.stamp++
	close(s.news)
	s.news = make(chan struct{})
}

// Sites returns what is shown, sorted by name.
func (s *Server) Sites() []Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Site, 0, len(s.sites))
	for _, name := range slices.Sorted(maps.Keys(s.sites)) {
		list = append(list, s.sites[name])
	}
	return list
}

// Handler serves / and /site/NAME for people, /events for the script of those, /api/report for
// programs, /metrics for Prometheus and /healthz for whoever keeps the daemon alive. Nothing
// but GET and HEAD, and nothing that changes anything.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s.page(w, r, "")
	})

	mux.HandleFunc("GET /site/{name}", func(w http.ResponseWriter, r *http.Request) {
		s.page(w, r, r.PathValue("name"))
	})

	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /api/report", s.report)
	mux.HandleFunc("GET /metrics", metrics.Handler(s.Version, s.writeMetrics))
	mux.HandleFunc("GET /healthz", s.health)

	return withSecurityHeaders(mux)
}

// withSecurityHeaders sets what a browser must know: nothing from elsewhere, in nobody's frame.
func withSecurityHeaders(h http.Handler) http.Handler {
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		contentHash(readAsset("page.css")+readAsset("picture.css")),
		contentHash(readAsset("live.js")))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			w.Header().Set(name, value)
		}

		h.ServeHTTP(w, r)
	})
}

func contentHash(text string) string {
	digest := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(digest[:])
}

// page serves the page of a site, and with no name the one of the only site or the overview.
func (s *Server) page(w http.ResponseWriter, r *http.Request, name string) {
	body, err := s.render(name)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case body == nil:
		http.Error(w, fmt.Sprintf("no site %q is watched here", name), http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(body)
	}
}

// render returns a page; nil where there is no such site. A page is drawn once for all who ask
// for it within a moment.
func (s *Server) render(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	now := s.now()
	if d := s.drawn[name]; d.stamp == s.stamp && now.Sub(d.at).Abs() < fresh {
		return d.body, nil
	}

	p := pageData{
		Version:  s.Version,
		Language: s.commonLanguage(),
		Live:     true,
		Back:     len(s.sites) > 1,
		Stamp:    strconv.FormatInt(s.stamp, 10),
	}

	site, known := s.sites[name]
	if name == "" && len(s.sites) == 1 {
		for _, site = range s.sites {
			known = true
		}
	}

	switch {
	case known:
		p.Title = title(site)
		p.Language = site.Language.Or(lang.English)
		p.Site = newSiteView(site, now)
	case name != "":
		return nil, nil
	case len(s.sites) == 0:
		p.Title = "mailpub"
		p.Site = siteView{Class: unknown, Facts: "No site is watched yet."}
	default:
		p.Title = p.Language.Text(fmt.Sprintf("mailpub: %d sites", len(s.sites)))
		p.Back = false
		for _, name := range slices.Sorted(maps.Keys(s.sites)) {
			p.Sites = append(p.Sites, newSiteView(s.sites[name], now))
		}
	}

	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		return nil, err
	}

	s.drawn[name] = cachedPage{s.stamp, now, b.Bytes()}
	return b.Bytes(), nil
}

// commonLanguage is that of all sites, English where they differ.
func (s *Server) commonLanguage() lang.Language {
	var common lang.Language
	for _, site := range s.sites {
		if common != "" && site.Language.Or(lang.English) != common {
			return lang.English
		}
		common = site.Language.Or(lang.English)
	}

	return common.Or(lang.English)
}

// events tells a browser the stamp of what is shown, now and whenever it changes, as
// server-sent events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if !s.addListener(1) {
		http.Error(w, "too many listeners", http.StatusServiceUnavailable)
		return
	}

	defer s.addListener(-1)

	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	alive := time.NewTicker(20 * time.Second)
	defer alive.Stop()

	for {
		s.mu.Lock()
		stamp := s.stamp
		news := s.news
		s.mu.Unlock()
		out.SetWriteDeadline(time.Now().Add(10 * time.Second)) // an error shows when writing
		if _, err := fmt.Fprintf(w, "data: %d\n\n", stamp); err != nil || out.Flush() != nil {
			return
		}

		select {
		case <-news:
			time.Sleep(100 * time.Millisecond) // several sites may have news at once
		case <-alive.C:
		case <-r.Context().Done():
			return
		}
	}
}

// addListener counts those who listen, and says whether there is room for one more.
func (s *Server) addListener(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listen+n > maxListeners {
		return false
	}
	s.listen += n
	return true
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.Health != nil {
		if err := s.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}

	for _, site := range s.Sites() {
		if site.Config != nil && site.Took == 0 {
			http.Error(w, fmt.Sprintf("%s is not watched: its config has errors: %v",
				site.Site, site.Config), http.StatusServiceUnavailable)
			return
		}
	}

	fmt.Fprintln(w, "ok")
}

// report serves what is known as JSON, of all sites or of ?site=NAME.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	sites := s.Sites()
	if name := r.URL.Query().Get("site"); name != "" {
		sites = slices.DeleteFunc(sites, func(site Site) bool {
			return site.Site != name
		})
		if len(sites) == 0 {
			http.Error(w, fmt.Sprintf("no site %q is watched here", name), http.StatusNotFound)
			return
		}
	}

	body, err := Status(sites)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// StatusFormat names the JSON that Status returns.
const StatusFormat = "mailpub/status/v1"

// Status returns what is known of sites as one JSON document.
func Status(sites []Site) ([]byte, error) {
	type lease struct {
		Name  string    `json:"name"`
		Until time.Time `json:"until,omitzero"`
	}

	type status struct {
		Site     string    `json:"site"`
		State    health    `json:"state"` // good, warn, bad or unknown
		Headline string    `json:"headline"`
		At       time.Time `json:"at,omitzero"`
		Seconds  float64   `json:"seconds"` // that the look took
		Next     time.Time `json:"next,omitzero"`
		Error    string    `json:"error,omitempty"`
		Config   string    `json:"config_error,omitempty"` // the config is wrong; what it was before holds, if there was one
		Standby  bool      `json:"standby,omitempty"`
		Leases   []lease   `json:"leases,omitempty"`
		Report   any       `json:"report"`
	}

	list := make([]status, 0, len(sites))
	for _, s := range sites {
		st := status{
			Site:     s.Site,
			State:    healthOf(s.State()),
			Headline: s.Headline(),
			At:       s.At,
			Seconds:  s.Took.Seconds(),
			Next:     s.Next,
			Standby:  s.Standby,
			Report:   s.Report,
		}

		if s.Err != nil {
			st.Error = s.Err.Error()
		}

		if s.Config != nil {
			st.Config = s.Config.Error()
		}

		for _, l := range s.Leases {
			st.Leases = append(st.Leases, lease{l.Key.Name, l.Until})
		}

		list = append(list, st)
	}

	return json.MarshalIndent(map[string]any{"format": StatusFormat, "sites": list}, "", "  ")
}
