package page

import (
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/catalog"
)

// writeMetrics writes what is known of the sites: totals, and each site by its name; of many sites only
// those that are not well.
func (s *Server) writeMetrics(w *metrics.Writer) {
	sites, _ := s.shown()
	writeTotals(w, sites)
	if len(sites) > manySites {
		sites = slices.DeleteFunc(sites, func(site *shownSite) bool { return !site.needsAttention() })
	}

	w.Family("mailpub_state", metrics.Gauge,
		"Whether the site is in this state: good, warn, bad or unknown. Of more than 100 sites, only those that are not well.")

	for _, site := range sites {
		for _, state := range states {
			w.Sample(oneIf(state == site.State), "site", site.Name, "state", string(healthOf(state)))
		}
	}

	w.Family("mailpub_config_wrong", metrics.Gauge,
		"Whether the config of the site has errors, so that its former version is in use or none.")

	for _, site := range sites {
		w.Sample(oneIf(site.config != nil), "site", site.Name)
	}

	s.writeLooks(w, slices.DeleteFunc(sites, func(site *shownSite) bool { return !site.isWatched() }))
}

// states are those of a site, in the order of their samples.
var states = [...]history.State{history.Good, history.Uneasy, history.Bad, history.Unknown}

// writeTotals writes how many sites are how.
func writeTotals(w *metrics.Writer, sites []*shownSite) {
	in := map[history.State]int{}
	var checks [len(statuses)]int
	wrong, incomplete, differences := 0, 0, 0
	oldest := 0.0

	for _, site := range sites {
		in[site.State]++
		if site.config != nil {
			wrong++
		}
		if !site.isWatched() {
			continue
		}

		if site.incomplete {
			incomplete++
		}

		differences += site.differences
		for i, n := range site.checks {
			checks[i] += n
		}

		if at := unixSeconds(site.At); oldest == 0 || at < oldest {
			oldest = at
		}
	}

	w.Family("mailpub_sites", metrics.Gauge, "Number of sites in this state: good, warn, bad or unknown.")
	for _, state := range states {
		w.Sample(float64(in[state]), "state", string(healthOf(state)))
	}

	w.Single("mailpub_sites_config_wrong", metrics.Gauge, "Number of sites whose config has errors.", float64(wrong))
	w.Single("mailpub_sites_look_incomplete", metrics.Gauge,
		"Number of sites of which a part of the last pass failed.", float64(incomplete))

	w.Single("mailpub_sites_differences", metrics.Gauge, "Changes that apply would make, of all sites.", float64(differences))
	w.Family("mailpub_sites_checks", metrics.Gauge, "Results of the checks of all sites in their last pass, by status.")
	for i, status := range statuses {
		w.Sample(float64(checks[i]), "status", string(status))
	}

	if oldest > 0 {
		w.Single("mailpub_sites_oldest_look_timestamp_seconds", metrics.Gauge,
			"When the pass began that is the longest ago of those that are the last of their site, as a Unix time.", oldest)
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// writeLooks writes what the last pass of each site found.
func (s *Server) writeLooks(w *metrics.Writer, sites []*shownSite) {
	each := func(name, help string, value func(*shownSite) float64) {
		w.Family(name, metrics.Gauge, help)
		for _, site := range sites {
			w.Sample(value(site), "site", site.Name)
		}
	}

	each("mailpub_look_incomplete", "Whether a part of the last pass failed, so that the results are incomplete.",
		func(site *shownSite) float64 { return oneIf(site.incomplete) })

	each("mailpub_last_look_timestamp_seconds", "When the last pass began, as a Unix time.",
		func(site *shownSite) float64 { return unixSeconds(site.At) })

	each("mailpub_last_look_seconds", "How long the last pass took.",
		func(site *shownSite) float64 { return site.Took.Seconds() })

	each("mailpub_differences", "Changes that apply would make.",
		func(site *shownSite) float64 { return float64(site.differences) })

	w.Family("mailpub_checks", metrics.Gauge, "Results of a check in the last pass, by status.")
	ids := catalog.IDs()
	var leases []Site // one site is unpacked at a time, and of it only these are kept
	for _, one := range sites {
		site := one.whole()
		writeChecks(w, site, ids)
		if len(site.Leases) > 0 {
			leases = append(leases, Site{Snapshot: watch.Snapshot{Site: site.Site, Leases: site.Leases}})
		}
	}

	now := s.now()
	w.Family("mailpub_lease_seconds", metrics.Gauge,
		"How long the router still keeps a forward that was seen there; negative where it ran out.")

	for _, site := range leases {
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
