package receive

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// WriteMetrics writes the receiver's counts as Prometheus reads them (text format 0.0.4).
func WriteMetrics(w io.Writer, s receiver.Stats) {
	sample := func(name string, value float64, labels ...string) {
		page.Sample(w, "mailpub_receiver_"+name, value, labels...)
	}

	sample("connections_total", float64(s.Connections))
	sample("connections_open", float64(s.Open))
	sample("tls_handshakes_total", float64(s.TLS))
	sample("tls_failures_total", float64(s.TLSFailed))
	sample("evicted_total", float64(s.Evicted))

	for _, outcome := range []receiver.Outcome{receiver.Stored, receiver.Deferred,
		receiver.Refused} {
		for _, tls := range []bool{false, true} {
			sample("messages_total", float64(s.Messages[receiver.OutcomeLabels{
				Outcome: outcome,
				TLS:     tls,
			}]), "outcome", string(outcome), "tls", strconv.FormatBool(tls))
		}
	}

	sample("octets_total", float64(s.Octets))
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		sample("refused_total", float64(s.Refused[reason]), "reason", reason)
	}

	for _, seconds := range slices.Sorted(maps.Keys(s.CommitWithin)) {
		sample("commit_seconds_bucket", float64(s.CommitWithin[seconds]), "le",
			fmt.Sprint(seconds))
	}

	sample("commit_seconds_bucket", float64(s.Commits), "le", "+Inf")
	sample("commit_seconds_sum", s.CommitSeconds)
	sample("commit_seconds_count", float64(s.Commits))
}

// serveMetrics shows metrics at /metrics of a listener until ctx is done.
func serveMetrics(ctx context.Context, l net.Listener, stats func() receiver.Stats) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", page.SampleType)
		WriteMetrics(w, stats())
	})
	return page.Serve(ctx, l, mux)
}
