package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/cmd/mailpub/metrics/metricstest"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/receive"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/plan"
)

// series are the labels of each sample that a scrape of watch and of the receiver brings, by name.
type series map[string][]map[string]string

func scraped(t *testing.T) series {
	t.Helper()
	now := time.Now()
	pages := page.NewServer("test")
	pages.Now = func() time.Time { return now }
	pages.Show(page.Site{Snapshot: watch.Snapshot{
		Site:   "office",
		Took:   time.Second,
		Report: plan.Report{Checks: []plan.Check{{ID: "mx.exists", Status: plan.Pass}}},
		Leases: []watch.Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: now.Add(time.Hour)}},
	}})

	stats := func() receiver.Stats {
		return receiver.Stats{Refused: map[string]uint64{"550 5.1.1": 1}}
	}

	all := series{"up": {{"job": "mailpub", "instance": "127.0.0.1:9024"}}} // Prometheus' own
	for _, families := range []map[string]*dto.MetricFamily{
		metricstest.Families(t, pages.Handler()),
		metricstest.Families(t, receive.MetricsHandler("test", stats)),
	} {
		for name, family := range families {
			for _, m := range family.Metric {
				labels := map[string]string{"job": "mailpub", "instance": "127.0.0.1:9024"}
				for _, l := range m.Label {
					labels[l.GetName()] = l.GetValue()
				}
				all[name] = append(all[name], labels)
			}
		}
	}

	return all
}

// answer returns the samples that a selector of a query finds.
func (s series) answer(t *testing.T, selector *metricsql.MetricExpr) (found []map[string]string) {
	t.Helper()
	for _, filters := range selector.LabelFilterss {
		name := filters[0].Value
		for _, labels := range s[name] {
			matches := func(f metricsql.LabelFilter) bool {
				same := labels[f.Label] == f.Value
				if f.IsRegexp {
					same = regexp.MustCompile("^(?:" + f.Value +
						")$").MatchString(labels[f.Label])
				}
				return same != f.IsNegative
			}

			if !slices.ContainsFunc(filters[1:], func(f metricsql.LabelFilter) bool {
				return !matches(f)
			}) {
				found = append(found, labels)
			}
		}
	}

	return found
}

// check parses a query, and sees that every selector of it finds samples with the labels that the query and its
// legend name.
func (s series) check(t *testing.T, file, query, legend string) {
	t.Helper()
	parsed, err := metricsql.Parse(strings.ReplaceAll(query, "$site", ".+"))
	if err != nil {
		t.Errorf("%s: %s: %v", file, query, err)
		return
	}

	var wanted []string
	for _, m := range regexp.MustCompile(`\{\{ ?(?:\$labels\.)?(\w+) ?\}\}`).FindAllStringSubmatch(legend, -1) {
		wanted = append(wanted, m[1])
	}

	selectors := 0
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.AggrFuncExpr:
			wanted = append(wanted, e.Modifier.Args...)
		case *metricsql.MetricExpr:
			selectors++
		}
	})

	if selectors == 0 {
		t.Errorf("%s: %s asks for nothing", file, query)
	}

	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		selector, is := e.(*metricsql.MetricExpr)
		if !is {
			return
		}

		found := s.answer(t, selector)
		if len(found) == 0 {
			t.Errorf("%s: nothing answers %s", file, selector.AppendString(nil))
		}

		for _, labels := range found {
			for _, l := range wanted {
				if _, has := labels[l]; !has {
					t.Errorf("%s: %s has no label %s, only %v", file,
						selector.AppendString(nil), l, slices.Sorted(maps.Keys(labels)))
				}
			}
		}
	})
}

// The real metrics answer every query of the dashboard for Grafana and of the alerts for Prometheus.
func TestMetricsExamples(t *testing.T) {
	all := scraped(t)
	read := func(file string, into any, decode func([]byte, any) error) {
		data, err := os.ReadFile(filepath.Join("..", "..", "examples", "prometheus", file))
		if err == nil {
			err = decode(data, into)
		}
		if err != nil {
			t.Fatal(file, err)
		}
	}

	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Type, Query string }
		}
	}

	const dashboard = "grafana-dashboard.json"
	read(dashboard, &board, json.Unmarshal)
	if len(board.Panels) < 8 {
		t.Errorf("%d panels", len(board.Panels))
	}

	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s: %q has no query", dashboard, p.Title)
		}
		for _, target := range p.Targets {
			all.check(t, dashboard, target.Expr, target.LegendFormat)
		}
	}

	for _, v := range board.Templating.List {
		if m := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Query); m != nil {
			all.check(t, dashboard, m[1], "{{"+m[2]+"}}")
		} else if v.Type == "query" {
			t.Errorf("%s: %q is not understood", dashboard, v.Query)
		}
	}

	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}

	const rules = "mailpub-alerts.yaml"
	read(rules, &alerts, yaml.Unmarshal)
	count := 0

	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			count++
			all.check(t, rules, r.Expr, strings.Join(slices.Collect(maps.Values(r.Annotations)), " "))
		}
	}

	if count < 7 {
		t.Errorf("%d alerts", count)
	}
}
