package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/receive"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/plan"
)

// promtool runs Prometheus' own tool.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path := "/var/cache/mailpub-tests/prometheus/usr/bin/promtool"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no promtool here (.ci/setup brings it): %v", err)
		}
		t.Skip("left out: no promtool here; .ci/setup brings it")
	}

	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "" && args[1] == "metrics" {
		t.Errorf("promtool %s: %v\n%s\nof\n%s", strings.Join(args, " "), err, out, input)
	}
}

// promtool has nothing to say about what watch and the receiver export.
func TestPromtoolMetrics(t *testing.T) {
	t.Parallel()
	pages := page.NewServer("test")
	pages.Show(page.Site{Snapshot: watch.Snapshot{
		Site:   "office",
		Took:   time.Second,
		Report: plan.Report{Checks: []plan.Check{{ID: "mx.exists", Status: plan.Fail}}},
		Leases: []watch.Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: time.Now().Add(time.Hour)}},
	}})

	stats := func() receiver.Stats {
		return receiver.Stats{Refused: map[string]uint64{"550 5.1.1": 1}}
	}

	for name, handler := range map[string]http.Handler{
		"watch":    pages.Handler(),
		"receiver": receive.MetricsHandler("test", stats),
	} {
		request := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)

		if !strings.Contains(answer.Body.String(), "mailpub_build_info") {
			t.Fatalf("%s: %d %s", name, answer.Code, answer.Body)
		}

		promtool(t, answer.Body.String(), "check", "metrics")
	}
}

// The alert rules of the examples are Prometheus', and fire when they should and not before.
func TestPromtoolRules(t *testing.T) {
	t.Parallel()
	rules, err := filepath.Abs("../../examples/prometheus/mailpub-alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}

	promtool(t, "", "check", "rules", rules)
	cases := filepath.Join(t.TempDir(), "cases.yaml")
	put(t, cases, `rule_files: ["`+rules+`"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'mailpub_state{site="office",state="bad"}', values: "0 0 1x20"}
      - {series: 'mailpub_lease_seconds{site="office",forward="tcp/25"}', values: "3600x10 200x10"}
    alert_rule_test:
      - {eval_time: 6m, alertname: MailDoesNotArrive}
      - eval_time: 10m
        alertname: MailDoesNotArrive
        exp_alerts: [{exp_labels: {severity: critical, site: office, state: bad}, exp_annotations: {
          summary: "office: something keeps mail from arriving",
          description: "The status page shows where it breaks, and says what to do; so does: mailpub verify"}}]
      - {eval_time: 10m, alertname: RouterLeaseRunsOut}
`)
	promtool(t, "", "test", "rules", cases)
}
