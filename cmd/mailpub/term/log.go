package term

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// LogHandler writes a log for the person at a terminal: the time of day, the site, the message, and what belongs to
// it. Programs read the forms text and json.
type LogHandler struct {
	out   io.Writer
	style Style
	from  slog.Level
	mu    *sync.Mutex
	attrs []slog.Attr
	group string
}

// NewLogHandler returns a LogHandler for what is at least of a level; nil where w is not a terminal.
func NewLogHandler(w io.Writer, noColour bool, from slog.Level) *LogHandler {
	style := StyleOf(w, noColour)
	if !style.Terminal {
		return nil
	}
	return &LogHandler{out: w, style: style, from: from, mu: &sync.Mutex{}}
}

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.from }

// Handle implements slog.Handler.
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	site := ""
	var more []string
	add := func(a slog.Attr) {
		value := logValue(a.Value)
		switch {
		case a.Key == "site":
			site = value
		case a.Key == h.group+"event" || value == "":
		case a.Key == "subject" && strings.Contains(r.Message, value):
		case a.Key == "seconds":
			more = append(more, value+" s")
		default:
			more = append(more, strings.ReplaceAll(a.Key, "_", " ")+" "+value)
		}
	}

	for _, a := range h.attrs {
		add(a)
	}

	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		add(a)
		return true
	})

	head := r.Time.Local().Format("15:04:05")
	if site != "" {
		head += "  " + Clean(site)
	}

	text := h.level(r.Level) + Clean(r.Message)
	if len(more) > 0 {
		text += " (" + Clean(strings.Join(more, ", ")) + ")"
	}

	indent := displayWidth(head) + 2
	text = h.style.Wrap(strings.ReplaceAll(text, "\n", "; "), min(indent, 24))

	h.mu.Lock()
	defer h.mu.Unlock()

	_, err := fmt.Fprintf(h.out, "%s  %s\n", h.style.Dim(head), text)
	return err
}

// level is what stands before messages that are not information.
func (h *LogHandler) level(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return h.style.Red("error:") + " "
	case l >= slog.LevelWarn:
		return h.style.Yellow("warning:") + " "
	}
	return ""
}

// logValue is a value as a person writes it: short durations, and times of day with their zone.
func logValue(v slog.Value) string {
	v = v.Resolve()
	switch v.Kind() {
	case slog.KindDuration:
		return v.Duration().Round(time.Millisecond).String()
	case slog.KindFloat64:
		return fmt.Sprintf("%.1f", v.Float64())
	case slog.KindTime:
		return v.Time().Local().Format("15:04:05 MST")
	case slog.KindString:
		if at, err := time.Parse(time.RFC3339, v.String()); err == nil {
			return at.Local().Format("15:04:05 MST")
		}
	}

	return v.String()
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		with.attrs = append(with.attrs, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}
