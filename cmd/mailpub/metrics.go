package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// writeMetrics writes the receiver's counts as Prometheus reads them (text format 0.0.4).
func writeMetrics(w io.Writer, s receiver.Stats) {
	const prefix = "mailpub_receiver_"
	count := func(name string, n uint64) { metrics.WriteCounterUint64(w, prefix+name, n) }
	count("connections_total", s.Connections)
	metrics.WriteGaugeUint64(w, prefix+"connections_open", uint64(max(s.Open, 0)))
	count("tls_handshakes_total", s.TLS)
	for _, outcome := range []receiver.Outcome{receiver.Stored, receiver.Deferred, receiver.Refused} {
		for _, tls := range []bool{false, true} {
			count(fmt.Sprintf("messages_total{outcome=%q,tls=\"%t\"}", outcome, tls), s.Messages[receiver.Ended{Outcome: outcome, TLS: tls}])
		}
	}
	count("octets_total", s.Octets)
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		count(fmt.Sprintf("refused_total{reason=%q}", reason), s.Refused[reason])
	}
	for _, seconds := range slices.Sorted(maps.Keys(s.CommitWithin)) {
		count(fmt.Sprintf("commit_seconds_bucket{le=\"%g\"}", seconds), s.CommitWithin[seconds])
	}
	count(`commit_seconds_bucket{le="+Inf"}`, s.Commits)
	metrics.WriteCounterFloat64(w, prefix+"commit_seconds_sum", s.CommitSeconds)
	count("commit_seconds_count", s.Commits)
}

// serveMetrics shows metrics at /metrics of a listener until ctx is done.
func serveMetrics(ctx context.Context, l net.Listener, stats func() receiver.Stats) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, stats())
	})
	return serveHere(ctx, l, mux)
}

// serveHere serves read-only pages, to whoever reaches the listener by its address or one of
// names, until ctx is done.
func serveHere(ctx context.Context, l net.Listener, h http.Handler, names ...string) error {
	server := &http.Server{
		Handler: page.OnlyHere(h, names...), MaxHeaderBytes: 8 << 10,
		ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // of what strangers send, nothing is worth a line
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("page at %s: %w", l.Addr(), err)
	}
	return nil
}
