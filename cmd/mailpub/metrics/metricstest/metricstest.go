// Package metricstest looks at what a handler of metrics answers, with the libraries of Prometheus.
package metricstest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Families checks both formats of a handler, and returns its families by name. Prometheus' parser reads the text, its
// linter has nothing to say of it, and its own encoder writes the same octets in either format.
func Families(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	text := ask(t, h, "", "text/plain; version=0.0.4")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}

	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}

	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}

	same(t, text, families, expfmt.NewFormat(expfmt.TypeTextPlain))

	open := ask(t, h, "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3",
		"application/openmetrics-text; version=1.0.0")

	if !strings.HasSuffix(open, "\n# EOF\n") {
		t.Errorf("OpenMetrics without an end:\n%s", open)
	}

	types := map[string]bool{}
	for line := range strings.Lines(open) {
		if rest, found := strings.CutPrefix(line, "# TYPE "); found {
			name, _, _ := strings.Cut(rest, " ")
			if types[name] {
				t.Errorf("OpenMetrics has two families %s", name)
			}
			types[name] = true
		}
	}

	same(t, open, families, expfmt.NewFormat(expfmt.TypeOpenMetrics))
	return families
}

// ask returns what a handler answers.
func ask(t *testing.T, h http.Handler, accept, kind string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK ||
		!strings.HasPrefix(got, kind) {
		t.Fatalf("Accept %q: %d, %q", accept, w.Code, got)
	}

	return w.Body.String()
}

// same compares a text with what Prometheus' encoder makes of its families: each must stand in it as it is. What
// changes from one request to the next, the program's own, is left out.
func same(t *testing.T, text string, families map[string]*dto.MetricFamily, format expfmt.Format) {
	t.Helper()
	for name, family := range families {
		if !strings.HasPrefix(name, "mailpub_") || len(family.Metric) == 0 {
			continue
		}

		var want bytes.Buffer
		if err := expfmt.NewEncoder(&want, format).Encode(family); err != nil {
			t.Fatal(err)
		}

		if !strings.Contains(text, want.String()) {
			t.Errorf("%s: %q is not in\n%s", format, want.String(), text)
		}
	}
}
