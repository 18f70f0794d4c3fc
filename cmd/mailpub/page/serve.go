package page

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
)

// maxListeners is how many browsers are told at once that something is new.
const maxListeners = 64

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
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
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
	body, err := s.render(name, queryOf(r.URL.Query()))
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
func (s *Server) render(name string, q query) ([]byte, error) {
	list, stamp := s.shown()
	if name == "" && len(list) != 1 {
		return s.drawings.get(drawing{query: q}, stamp, s.now(), func() ([]byte, error) {
			return s.drawOverview(list, stamp, q)
		})
	}

	shown := s.find(name)
	if name == "" {
		shown = list[0]
	}

	if shown == nil {
		return nil, nil
	}

	several := len(list) > 1
	return s.drawings.get(drawing{site: shown.Name, several: several}, shown.stamp, s.now(),
		func() ([]byte, error) { return s.drawSite(shown, several) })
}

func (s *Server) drawSite(shown *shownSite, several bool) ([]byte, error) {
	site := shown.whole()
	if shown.packed != nil && s.Past != nil {
		site.Events, site.Days = s.Past(shown.Name)
	}

	return pageData{
		Title:    title(site),
		Version:  s.Version,
		Language: site.Language.Or(lang.English),
		Live:     true,
		Back:     several,
		Of:       site.Site,
		Stamp:    strconv.FormatInt(shown.stamp, 10),
		Site:     newSiteView(site, s.now()),
	}.bytes()
}

func (s *Server) drawOverview(list []*shownSite, stamp int64, q query) ([]byte, error) {
	p := pageData{
		Version:  s.Version,
		Language: commonLanguage(list),
		Live:     true,
		Stamp:    strconv.FormatInt(stamp, 10),
	}

	if len(list) == 0 {
		p.Title = "mailpub"
		p.Site = siteView{Class: unknown, Facts: "No site is watched yet."}
		return p.bytes()
	}

	o := newOverview(list, q)
	p.Title = o.title(p.Language)
	p.Overview = &o
	return p.bytes()
}

// commonLanguage is that of all sites, English where they differ.
func commonLanguage(list []*shownSite) lang.Language {
	var common lang.Language
	for _, site := range list {
		if common != "" && site.Language.Or(lang.English) != common {
			return lang.English
		}
		common = site.Language.Or(lang.English)
	}

	return common.Or(lang.English)
}

// events tells a browser the stamp of what is shown, now and whenever it changes, as
// server-sent events: of one site with ?site=NAME, else of all.
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

	name := r.URL.Query().Get("site")
	told := int64(-1)
	for {
		stamp, news, many := s.stampOf(name)
		if stamp != told {
			told = stamp
			out.SetWriteDeadline(time.Now().Add(10 * time.Second)) // an error shows when writing
			if _, err := fmt.Fprintf(w, "data: %d\n\n", stamp); err != nil || out.Flush() != nil {
				return
			}
		}

		select {
		case <-news:
			pause(r.Context(), many)
		case <-alive.C:
			told = -1
		case <-r.Context().Done():
			return
		}
	}
}

// stampOf is the stamp of a site, of all with "", and what tells of news.
func (s *Server) stampOf(name string) (stamp int64, news chan struct{}, many bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	stamp = s.stamp
	if shown := s.sites[name]; name != "" && shown != nil {
		stamp = shown.stamp
	}

	return stamp, s.news, len(s.sites) >= manySites
}

// pause waits for further news: several sites may have some at once, and of many one always has.
func pause(ctx context.Context, many bool) {
	moment := 100 * time.Millisecond
	if many {
		moment = 5 * time.Second
	}

	select {
	case <-time.After(moment):
	case <-ctx.Done():
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

	list, _ := s.shown()
	former, unwatched := 0, 0
	var first *shownSite
	for _, site := range list {
		switch {
		case site.config == nil:
		case site.Took == 0:
			unwatched++
			if first == nil {
				first = site
			}
		default:
			former++
		}
	}

	if unwatched > 0 {
		more := ""
		if unwatched > 1 {
			more = fmt.Sprintf(" (and %d more)", unwatched-1)
		}

		http.Error(w, fmt.Sprintf("%s is not watched: its config has errors: %v%s",
			first.Name, first.config, more), http.StatusServiceUnavailable)
		return
	}

	fmt.Fprintln(w, "ok")
	if former > 0 {
		fmt.Fprintf(w, "%d configs have errors; their former versions stay in use\n", former)
	}
}
