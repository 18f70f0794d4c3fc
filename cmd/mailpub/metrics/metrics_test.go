package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
	"github.com/mailpub/mailpub/cmd/mailpub/metrics/metricstest"
)

// Numbers, labels and buckets of all kinds are written as Prometheus' own encoder writes them.
func TestFormats(t *testing.T) {
	h := metrics.Handler("1.2.3", func(w *metrics.Writer) {
		w.Family("mailpub_numbers", metrics.Gauge, "Numbers of all kinds.")
		for i, v := range []float64{0, 1, -1, 0.5, 2520, 1e6, 1e21, 1.7e-9, 1764000000.123,
			123456789} {
			w.Sample(v, "site", "a", "text", strings.Repeat("x", i)+"\\ \"quoted\"\n ü")
		}

		w.Single("mailpub_things_total", metrics.Counter, "Things.", 7)
		w.Family("mailpub_empty_total", metrics.Counter, "Nothing yet.")
		w.Family("mailpub_time_seconds", metrics.Histogram, "Times.")
		w.Histogram([]metrics.Bucket{{0.0005, 0}, {0.01, 4}, {1, 5}, {5, 6}}, 7, 12.5)
	})

	families := metricstest.Families(t, h)
	if len(families["mailpub_numbers"].GetMetric()) != 10 ||
		families["mailpub_time_seconds"].GetMetric()[0].GetHistogram().GetSampleCount() != 7 {
		t.Errorf("%v", families)
	}
}

// The program tells of itself, with values that are those of this process.
func TestProgram(t *testing.T) {
	families := metricstest.Families(t, metrics.Handler("1.2.3", func(*metrics.Writer) {}))
	value := func(name string) float64 {
		t.Helper()
		family := families[name]
		if family == nil {
			t.Errorf("no %s", name)
			return 0
		}

		if family.GetType() == dto.MetricType_COUNTER {
			return family.Metric[0].GetCounter().GetValue()
		}

		return family.Metric[0].GetGauge().GetValue()
	}

	info := families["mailpub_build_info"].GetMetric()[0]
	if info.GetGauge().GetValue() != 1 || info.Label[0].GetValue() != runtime.Version() ||
		info.Label[1].GetValue() != "1.2.3" {
		t.Errorf("%v", info)
	}

	if value("go_goroutines") < 1 || value("go_memstats_alloc_bytes") < 1000 ||
		value("go_memstats_mallocs_total") < value("go_memstats_heap_objects") {
		t.Error("the memory is not this program's")
	}

	if runtime.GOOS != "linux" {
		return
	}

	resident := value("process_resident_memory_bytes")
	if resident < 1<<20 || resident > value("process_virtual_memory_bytes") {
		t.Errorf("%v bytes resident", resident)
	}

	if value("process_start_time_seconds") < 1.6e9 ||
		value("process_max_fds") < value("process_open_fds") {
		t.Error("start or limits are not this process's")
	}

	before := value("process_open_fds")
	for range 5 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}

	families = metricstest.Families(t, metrics.Handler("1.2.3", func(*metrics.Writer) {}))
	if after := value("process_open_fds"); after != before+5 {
		t.Errorf("%v files are open, then five more, %v", before, after)
	}
}

func TestPrefersOpenMetrics(t *testing.T) {
	const open = "application/openmetrics-text"
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/plain": false, open: true,
		open + ";version=2.0.0": false, open + ";q=0": false,
		open + ";version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2": true,
		open + ";version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.6":           false,
		open + ";q=x": false, "nonsense,;;," + open: true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		metrics.Handler("1", func(*metrics.Writer) {})(w, r)
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), open); got != want {
			t.Errorf("%q: OpenMetrics %t", accept, got)
		}
	}
}
