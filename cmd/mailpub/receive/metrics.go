package receive

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/mailpub/mailpub/cmd/mailpub/metrics"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// writeMetrics writes the receiver's counts.
func writeMetrics(w *metrics.Writer, s receiver.Stats) {
	count := func(name, help string, value uint64) {
		w.Single("mailpub_receiver_"+name, metrics.Counter, help, float64(value))
	}

	count("connections_total", "Connections that were let in.", s.Connections)
	w.Single("mailpub_receiver_connections_open", metrics.Gauge, "Connections that are open.",
		float64(s.Open))

	count("tls_handshakes_total", "TLS handshakes that succeeded.", s.TLS)
	count("tls_failures_total", "TLS handshakes that failed.", s.TLSFailed)
	count("evicted_total", "Sessions that waited too long when others wanted their place.",
		s.Evicted)

	count("octets_total", "Octets of stored messages, each counted once.", s.Octets)

	w.Family("mailpub_receiver_messages_total", metrics.Counter,
		"Messages by their outcome: stored, deferred or refused.")

	for _, outcome := range []receiver.Outcome{receiver.Stored, receiver.Deferred,
		receiver.Refused} {
		for _, tls := range []bool{false, true} {
			n := s.Messages[receiver.OutcomeLabels{Outcome: outcome, TLS: tls}]
			w.Sample(float64(n), "outcome", string(outcome), "tls", strconv.FormatBool(tls))
		}
	}

	w.Family("mailpub_receiver_refused_total", metrics.Counter,
		"Replies of 4xx and 5xx by their reason.")

	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		w.Sample(float64(s.Refused[reason]), "reason", reason)
	}

	w.Family("mailpub_receiver_commit_seconds", metrics.Histogram,
		"Time of a sync to disk, each for one message or several.")

	var buckets []metrics.Bucket
	for _, seconds := range slices.Sorted(maps.Keys(s.CommitWithin)) {
		buckets = append(buckets, metrics.Bucket{Most: seconds, Count: s.CommitWithin[seconds]})
	}

	w.Histogram(buckets, s.Commits, s.CommitSeconds)
}

// MetricsHandler serves the receiver's metrics.
func MetricsHandler(version string, stats func() receiver.Stats) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", metrics.Handler(version, func(w *metrics.Writer) {
		writeMetrics(w, stats())
	}))
	return mux
}

// serveMetrics shows metrics at /metrics of a listener until ctx is done.
func serveMetrics(ctx context.Context, l net.Listener, version string, stats func() receiver.Stats) error {
	return page.Serve(ctx, l, MetricsHandler(version, stats))
}
