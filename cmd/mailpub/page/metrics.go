package page

import (
	"io"
	"net/http"
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
	gauge := func(name string, value float64, labels ...string) {
		Sample(w, "mailpub_"+name, value, append([]string{"site", s.Site}, labels...)...)
	}
	state := s.State()
	for _, is := range []history.State{history.Good, history.Uneasy, history.Bad, history.Unknown} {
		gauge("state", oneIf(is == state), "state", string(healthOf(is)))
	}
	gauge("config_wrong", oneIf(s.Config != nil))
	if s.Standby || s.Took == 0 {
		return
	}
	gauge("look_incomplete", oneIf(s.Err != nil))
	gauge("last_look_timestamp_seconds", float64(s.At.UnixMilli())/1e3)
	gauge("last_look_seconds", s.Took.Seconds())
	worst := map[string]map[plan.Status]int{}
	for _, c := range s.Report.Checks {
		if worst[c.ID] == nil {
			worst[c.ID] = map[plan.Status]int{}
		}
		worst[c.ID][c.Status]++
	}
	for _, id := range ids {
		for _, status := range []plan.Status{plan.Pass, plan.Warn, plan.Fail, plan.Skip} {
			if worst[id] != nil {
				gauge("checks", float64(worst[id][status]), "id", id, "status", string(status))
			}
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
