package page

import (
	"slices"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// statuses are those of a check, in the order of their samples.
var statuses = [...]plan.Status{plan.Pass, plan.Warn, plan.Fail, plan.Skip}

// writeMetrics writes what is known of the sites.
func (s *Server) writeMetrics(w *metrics.Writer) {
	sites := s.Sites()
	w.Family("mailpub_state", metrics.Gauge,
		"Whether the site is in this state: good, warn, bad or unknown.")

	for _, site := range sites {
		now := site.State()
		for _, state := range []history.State{history.Good, history.Uneasy, history.Bad,
			history.Unknown} {
			w.Sample(oneIf(state == now), "site", site.Site, "state", string(healthOf(state)))
		}
	}

	w.Family("mailpub_config_wrong", metrics.Gauge,
		"Whether the config of the site has errors, so that its former version is in use or none.")

	for _, site := range sites {
		w.Sample(oneIf(site.Config != nil), "site", site.Site)
	}

	sites = slices.DeleteFunc(sites, func(site Site) bool {
		return site.Standby || site.Took == 0
	})

	each := func(name, help string, value func(Site) float64) {
		w.Family(name, metrics.Gauge, help)
		for _, site := range sites {
			w.Sample(value(site), "site", site.Site)
		}
	}

	each("mailpub_look_incomplete", "Whether a part of the last pass failed, so that the results are incomplete.",
		func(site Site) float64 {
			return oneIf(site.Err != nil)
		})

	each("mailpub_last_look_timestamp_seconds", "When the last pass began, as a Unix time.",
		func(site Site) float64 {
			return float64(site.At.UnixMilli()) / 1e3
		})

	each("mailpub_last_look_seconds", "How long the last pass took.", func(site Site) float64 {
		return site.Took.Seconds()
	})

	each("mailpub_differences", "Changes that apply would make.", func(site Site) float64 {
		differ := 0
		for _, c := range site.Report.Changes {
			if c.Differs() {
				differ++
			}
		}
		return float64(differ)
	})

	w.Family("mailpub_checks", metrics.Gauge, "Results of a check in the last pass, by status.")
	ids := catalog.IDs()
	for _, site := range sites {
		writeChecks(w, site, ids)
	}

	now := s.now()
	w.Family("mailpub_lease_seconds", metrics.Gauge,
		"How long the router still keeps a forward that was seen there; negative where it ran out.")

	for _, site := range sites {
		for _, l := range site.Leases {
			if !l.Until.IsZero() {
				w.Sample(l.Until.Sub(now).Seconds(), "site", site.Site, "forward", l.Key.Name)
			}
		}
	}
}

// writeChecks writes the checks of a site in the order of ids.
func writeChecks(w *metrics.Writer, s Site, ids []string) {
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
			w.Sample(float64(counts[i]), "site", s.Site, "id", id, "status", string(status))
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
