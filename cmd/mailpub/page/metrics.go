package page

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", SampleType)
	ids := catalog.IDs()
	for _, site := range s.Sites() {
		writeMetrics(w, site, ids, s.now())
	}
}

// writeMetrics writes what is known of a site, with the checks in the order of ids, as Prometheus reads it (text format 0.0.4).
func writeMetrics(w io.Writer, s Site, ids []string, now time.Time) {
	text := make([]byte, 0, 32<<10)
	defer func() { _, _ = w.Write(text) }()

	all := make([]string, 0, 8) // labels
	gauge := func(name string, value float64, labels ...string) {
		all = append(append(all[:0], "site", s.Site), labels...)
		text = appendSample(text, "mailpub_"+name, value, all...)
	}

	state := s.State()
	for _, is := range []history.State{history.Good, history.Uneasy, history.Bad,
		history.Unknown} {
		gauge("state", oneIf(is == state), "state", string(healthOf(is)))
	}

	gauge("config_wrong", oneIf(s.Config != nil))
	if s.Standby || s.Took == 0 {
		return
	}

	gauge("look_incomplete", oneIf(s.Err != nil))
	gauge("last_look_timestamp_seconds", float64(s.At.UnixMilli())/1e3)
	gauge("last_look_seconds", s.Took.Seconds())
	statuses := [...]plan.Status{plan.Pass, plan.Warn, plan.Fail, plan.Skip}
	found := make(map[string][len(statuses)]int, len(ids))

	for _, c := range s.Report.Checks {
		counts := found[c.ID]
		if at := slices.Index(statuses[:], c.Status); at >= 0 {
			counts[at]++
		}
		found[c.ID] = counts
	}

	for _, id := range ids {
		counts, ok := found[id]
		if !ok {
			continue
		}
		for i, status := range statuses {
			gauge("checks", float64(counts[i]), "id", id, "status", string(status))
		}
	}

	differ := 0
	for _, c := range s.Report.Changes {
		if c.Differs() {
			differ++
		}
	}

	gauge("differences", float64(differ))
	for _, l := range s.Leases {
		if !l.Until.IsZero() {
			gauge("lease_seconds", l.Until.Sub(now).Seconds(), "forward", l.Key.Name)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
