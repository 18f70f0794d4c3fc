package receive

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/receiver"
)

func TestMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	stats := receiver.Stats{
		Connections: 7,
		Open:        2,
		TLS:         3,
		Octets:      4096,
		Refused:     map[string]uint64{"550 5.1.1": 4},
		Messages: map[receiver.OutcomeLabels]uint64{{Outcome: receiver.Stored, TLS: true}: 5,
			{Outcome: receiver.Deferred}: 1},
		Commits:       6,
		CommitSeconds: 0.5,
		CommitWithin:  map[float64]uint64{0.01: 4, 0.1: 6},
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveMetrics(ctx, l, "1.2.3", func() receiver.Stats { return stats })
	}()

	ask := func(method, path, host string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}

		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}

		defer answer.Body.Close()

		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}

		return answer.StatusCode, string(body)
	}

	code, body := ask("GET", "/metrics", l.Addr().String())
	if code != 200 {
		t.Errorf("%d: %s", code, body)
	}

	for _, want := range []string{
		"mailpub_receiver_connections_total 7\n", "mailpub_receiver_connections_open 2\n",
		"mailpub_receiver_tls_handshakes_total 3\n",
		`mailpub_receiver_messages_total{outcome="stored",tls="true"} 5` + "\n",
		`mailpub_receiver_messages_total{outcome="refused",tls="false"} 0` + "\n",
		`mailpub_receiver_messages_total{outcome="deferred",tls="false"} 1` + "\n",
		"mailpub_receiver_octets_total 4096\n",
		`mailpub_receiver_refused_total{reason="550 5.1.1"} 4` + "\n",
		`mailpub_receiver_commit_seconds_bucket{le="0.01"} 4` + "\n",
		"mailpub_receiver_commit_seconds_count 6\n",
		"mailpub_receiver_commit_seconds_sum 0.5\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}

	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/metrics", "localhost:" + port, 200},
		{"GET", "/metrics", "evil.example", 421},
		{"GET", "/metrics", "evil.example:" + port, 421},
		{"GET", "/", l.Addr().String(), 404}, {"POST", "/metrics", l.Addr().String(), 405},
	} {
		if code, body := ask(c.method, c.path, c.host); code != c.want {
			t.Errorf("%s %s of %s: %d, %s", c.method, c.path, c.host, code, body)
		}
	}

	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
