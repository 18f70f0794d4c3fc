package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// StatusFormat names the JSON that Status returns.
const StatusFormat = "mailpub/status/v1"

// siteStatus is a site in that JSON.
type siteStatus struct {
	Site     string        `json:"site"`
	State    health        `json:"state"` // good, warn, bad or unknown
	Headline string        `json:"headline"`
	At       time.Time     `json:"at,omitzero"`
	Seconds  float64       `json:"seconds"` // that the look took
	Next     time.Time     `json:"next,omitzero"`
	Error    string        `json:"error,omitempty"`
	Config   string        `json:"config_error,omitempty"` // the config is wrong; what it was before holds, if there was one
	Standby  bool          `json:"standby,omitempty"`
	APIRead  time.Time     `json:"api_read,omitzero"` // of the DNS providers, the longest ago
	Leases   []leaseStatus `json:"leases,omitempty"`
	Report   any           `json:"report"`
}

type leaseStatus struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until,omitzero"`
}

func statusOf(s Site) siteStatus {
	st := siteStatus{
		Site:     s.Site,
		State:    healthOf(s.State()),
		Headline: s.Headline(),
		At:       s.At,
		Seconds:  s.Took.Seconds(),
		Next:     s.Next,
		Standby:  s.Standby,
		APIRead:  s.APIRead,
		Report:   s.Report,
	}

	if s.Err != nil {
		st.Error = s.Err.Error()
	}

	if s.Config != nil {
		st.Config = s.Config.Error()
	}

	for _, l := range s.Leases {
		st.Leases = append(st.Leases, leaseStatus{l.Key.Name, l.Until})
	}

	return st
}

// Status returns what is known of sites as one JSON document.
func Status(sites []Site) ([]byte, error) {
	var out bytes.Buffer
	w := statusWriter{to: &out}
	w.begin()
	for _, s := range sites {
		w.site(s)
	}
	w.end(nil)
	return out.Bytes(), w.err
}

// statusWriter writes that document site by site.
type statusWriter struct {
	to      io.Writer
	several bool
	err     error
}

func (w *statusWriter) write(text string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.to, text)
	}
}

func (w *statusWriter) begin() {
	w.write(fmt.Sprintf("{\n  \"format\": %q,\n  \"sites\": [", StatusFormat))
}

func (w *statusWriter) site(s Site) {
	text, err := json.MarshalIndent(statusOf(s), "    ", "  ")
	if err != nil && w.err == nil {
		w.err = err
	}

	separator := "\n    "
	if w.several {
		separator = ",\n    "
	}

	w.several = true
	w.write(separator + string(text))
}

// end closes the document, with further fields beside the sites.
func (w *statusWriter) end(p *statusPage) {
	if w.several {
		w.write("\n  ")
	}

	w.write("]")
	if p != nil {
		w.write(fmt.Sprintf(",\n  \"total\": %d,\n  \"page\": %d,\n  \"pages\": %d", p.total, p.page, p.pages))
	}

	w.write("\n}")
}

// statusQuery is what /api/report is asked for.
type statusQuery struct {
	sites    []string // by name; nil: all
	verdicts []health // nil: all
	page     int      // from 1 on; 0: all in one document
	per      int
}

// statusQueryOf reads ?site=NAME&verdict=bad,warn&page=2&per=100.
func statusQueryOf(v url.Values) (q statusQuery, err error) {
	q.sites = v["site"]
	for _, list := range v["verdict"] {
		for word := range strings.SplitSeq(list, ",") {
			if !slices.Contains(overviewStates(), health(word)) {
				return q, fmt.Errorf("verdict is %q, want bad, warn, unknown or good", word)
			}
			q.verdicts = append(q.verdicts, health(word))
		}
	}

	number := func(name string, usual, most int) int {
		text := v.Get(name)
		if text == "" {
			return usual
		}

		n, e := strconv.Atoi(text)
		if e != nil || n < 1 || n > most {
			err = fmt.Errorf("%s is %q, want a number from 1 to %d", name, text, most)
		}
		return n
	}

	q.page = number("page", 0, 1_000_000)
	q.per = number("per", rowsShown, 1000)
	return q, err
}

// statusPage is a part of what was asked for.
type statusPage struct{ total, page, pages int }

// of returns those of some sites that are asked for.
func (q statusQuery) of(list []*shownSite) (found []*shownSite, p *statusPage) {
	for _, s := range list {
		if (q.sites == nil || slices.Contains(q.sites, s.Name)) &&
			(q.verdicts == nil || slices.Contains(q.verdicts, s.Class())) {
			found = append(found, s)
		}
	}

	if q.page == 0 {
		return found, nil
	}

	p = &statusPage{
		total: len(found),
		page:  q.page,
		pages: max((len(found)+q.per-1)/q.per, 1),
	}

	from := min((q.page-1)*q.per, len(found))
	return found[from:min(from+q.per, len(found))], p
}

// statusTime is how long a client may take for one site's part of the report.
const statusTime = 10 * time.Second

// report serves what is known as JSON. It is written site by site, and no more is held than one.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	q, err := statusQueryOf(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	list, _ := s.shown()
	for _, name := range q.sites {
		if s.find(name) == nil {
			http.Error(w, fmt.Sprintf("no site %q is watched here", name), http.StatusNotFound)
			return
		}
	}

	found, page := q.of(list)
	w.Header().Set("Content-Type", "application/json")
	deadline := http.NewResponseController(w)
	out := statusWriter{to: w}
	out.begin()

	for _, one := range found {
		if out.err != nil || r.Context().Err() != nil {
			return
		}
		_ = deadline.SetWriteDeadline(time.Now().Add(statusTime)) // not every writer has one
		out.site(one.whole())
	}

	out.end(page)
}
