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
	"strconv"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// writeMetrics writes the receiver's counts as Prometheus reads them (text format 0.0.4).
func writeMetrics(w io.Writer, s receiver.Stats) {
	sample := func(name string, value float64, labels ...string) {
		page.Sample(w, "mailpub_receiver_"+name, value, labels...)
	}
	sample("connections_total", float64(s.Connections))
	sample("connections_open", float64(s.Open))
	sample("tls_handshakes_total", float64(s.TLS))
	for _, outcome := range []receiver.Outcome{receiver.Stored, receiver.Deferred, receiver.Refused} {
		for _, tls := range []bool{false, true} {
			sample("messages_total", float64(s.Messages[receiver.Ended{Outcome: outcome, TLS: tls}]), "outcome", string(outcome), "tls", strconv.FormatBool(tls))
		}
	}
	sample("octets_total", float64(s.Octets))
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		sample("refused_total", float64(s.Refused[reason]), "reason", reason)
	}
	for _, seconds := range slices.Sorted(maps.Keys(s.CommitWithin)) {
		sample("commit_seconds_bucket", float64(s.CommitWithin[seconds]), "le", fmt.Sprint(seconds))
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
