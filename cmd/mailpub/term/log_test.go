package term

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// The log of a terminal is for people: no key=value, no long fractions, times with their zone, no control characters.
func TestLogHandler(t *testing.T) {
	zone := time.Local
	time.Local = time.FixedZone("CET", 3600)
	t.Cleanup(func() { time.Local = zone })

	var out bytes.Buffer
	h := &LogHandler{
		out:   &out,
		style: Style{Terminal: true, Columns: 70},
		from:  slog.LevelInfo,
		mu:    &sync.Mutex{},
	}

	at := time.Date(2026, 11, 29, 12, 41, 19, 0, time.UTC)
	for _, c := range []struct {
		level slog.Level
		text  string
		attrs []any
		want  string
	}{
		{slog.LevelInfo, "looked", []any{"seconds", 1.266216993, "broken", 0, "next", "2026-11-29T12:56:19Z"},
			"13:41:19  office  looked (1.3 s, broken 0, next 13:56:19 CET)\n"},
		{slog.LevelWarn, "router 10.10.10.1 has restarted", []any{"event", "router-restarted"},
			"13:41:19  office  warning: router 10.10.10.1 has restarted\n"},
		{slog.LevelError, "notice\x1b[2J", []any{"error", errors.New("no\nanswer"), "took", 1500 * time.Millisecond},
			"13:41:19  office  error: notice?[2J (error no; answer, took 1.5s)\n"},
	} {
		r := slog.NewRecord(at, c.level, c.text, 0)
		r.Add(c.attrs...)
		if err := h.WithAttrs([]slog.Attr{slog.String("site", "office")}).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}

		if got := out.String(); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.text, got, c.want)
		}

		out.Reset()
	}

	if h.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("debug is logged")
	}
	if NewLogHandler(&out, false, slog.LevelInfo) != nil {
		t.Error("a file is taken for a terminal")
	}
}
