package main

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/receive"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/plan"
)

// The examples for Prometheus and Grafana ask for nothing that mailpub does not show, neither a
// name nor a label.
func TestMetricsExamples(t *testing.T) {
	var shown strings.Builder
	receive.WriteMetrics(&shown, receiver.Stats{Refused: map[string]uint64{"550 5.1.1": 1}})
	pages := page.NewServer("test")
	pages.Show(page.Site{Snapshot: watch.Snapshot{
		Site:   "office",
		Took:   time.Second,
		Report: plan.Report{Checks: []plan.Check{{ID: "mx.exists", Status: plan.Pass}}},
		Leases: []watch.Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: time.Now()}},
	}})

	w := httptest.NewRecorder()
	pages.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	shown.WriteString(w.Body.String())

	known := map[string][]string{} // labels by name
	label := regexp.MustCompile(`(\w+)=`)
	for _, line := range strings.Split(strings.TrimSpace(shown.String()), "\n") {
		name, labels, _ := strings.Cut(strings.Fields(line)[0], "{")
		for _, m := range label.FindAllStringSubmatch(labels, -1) {
			known[name] = append(known[name], m[1])
		}
		known[name] = append(known[name], "instance", "job")
	}

	all := slices.Concat(slices.Collect(maps.Values(known))...)
	name := regexp.MustCompile(`\bmailpub_\w+`)
	asked := regexp.MustCompile(`(\w+)=~?"|\{\{ ?(?:\$labels\.)?(\w+) ?\}\}|by \(([\w, ]+)\)`)

	for _, file := range []string{"mailpub-alerts.yaml", "grafana-dashboard.json"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "examples", "prometheus", file))
		if err != nil {
			t.Fatal(err)
		}

		var any map[string]any
		if filepath.Ext(file) == ".json" {
			err = json.Unmarshal(data, &any)
		} else {
			err = yaml.Unmarshal(data, &any)
		}

		if err != nil {
			t.Errorf("%s: %v", file, err)
		}

		names := name.FindAllString(string(data), -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing", file)
		}

		for _, n := range names {
			if known[n] == nil {
				t.Errorf("%s asks for %s, which is not shown", file, n)
			}
		}

		for _, m := range asked.FindAllStringSubmatch(strings.ReplaceAll(string(data), `\"`,
			`"`), -1) {
			for _, l := range strings.FieldsFunc(m[1]+m[2]+m[3], func(r rune) bool {
				return r == ',' || r == ' '
			}) {
				if !slices.Contains(all, l) {
					t.Errorf("%s asks for the label %s, which nothing has", file, l)
				}
			}
		}
	}
}
