package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// metrics shows the receiver's counts as Prometheus reads them. It implements prometheus.Collector.
type metrics struct {
	stats func() receiver.Stats

	connections, open, tls, messages, octets, refused, commits *prometheus.Desc
}

func newMetrics(stats func() receiver.Stats) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("mailpub_receiver_"+name, help, labels, nil)
	}
	return &metrics{
		stats:       stats,
		connections: desc("connections_total", "Connections that were let in."),
		open:        desc("connections_open", "Connections that are open now."),
		tls:         desc("tls_handshakes_total", "STARTTLS that succeeded."),
		messages:    desc("messages_total", "Messages that came to their end, by what became of them, and whether under TLS.", "outcome", "tls"),
		octets:      desc("octets_total", "Octets of stored messages."),
		refused:     desc("refused_total", "Replies of 4xx and 5xx, by code and enhanced code.", "reason"),
		commits:     desc("commit_seconds", "Time that a sync to disk took, for one message or for several that waited."),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	s := m.stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(m.connections, s.Connections)
	to <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(s.Open))
	count(m.tls, s.TLS)
	for _, outcome := range []receiver.Outcome{receiver.Stored, receiver.Deferred, receiver.Refused} {
		for _, tls := range []bool{false, true} {
			count(m.messages, s.Messages[receiver.Ended{Outcome: outcome, TLS: tls}], string(outcome), strconv.FormatBool(tls))
		}
	}
	count(m.octets, s.Octets)
	for reason, n := range s.Refused {
		count(m.refused, n, reason)
	}
	to <- prometheus.MustNewConstHistogram(m.commits, s.Commits, s.CommitSeconds, s.CommitWithin)
}

// serveMetrics shows metrics at /metrics of a listener until ctx is done.
func serveMetrics(ctx context.Context, l net.Listener, stats func() receiver.Stats) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(newMetrics(stats)); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	server := &http.Server{
		Handler: onlyHost(l.Addr().String(), mux), MaxHeaderBytes: 8 << 10,
		ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// onlyHost refuses what asks for another host: a browser that was led here under a name of
// somebody else's (DNS rebinding).
func onlyHost(addr string, h http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != addr && r.Host != net.JoinHostPort("localhost", port) {
			http.Error(w, "not a host of this server", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}
