package site

import (
	"context"
	"log/slog"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/redact"
)

// redactChecks takes the config's secrets out of what servers said: a server may repeat the password that it
// refuses.
func (s *Site) redactChecks(checks []plan.Check) []plan.Check {
	secrets := s.cfg.Secrets()
	for i := range checks {
		c := &checks[i]
		c.Want = secrets.Text(c.Want)
		c.Got = secrets.Text(c.Got)
		c.Hint = secrets.Text(c.Hint)
	}

	return checks
}

// redactLogger returns a logger that writes no secret of a set.
func redactLogger(log *slog.Logger, secrets *redact.Set) *slog.Logger {
	if log == nil {
		return nil
	}
	if h, ok := log.Handler().(redactHandler); ok && h.secrets == secrets {
		return log
	}
	return slog.New(redactHandler{next: log.Handler(), secrets: secrets})
}

// redactHandler takes secrets out of the messages and values of records.
type redactHandler struct {
	next    slog.Handler
	secrets *redact.Set
}

// Enabled implements slog.Handler.
func (h redactHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h redactHandler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, h.secrets.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h redactHandler) WithAttrs(list []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, 0, len(list))
	for _, a := range list {
		clean = append(clean, h.attr(a))
	}
	return redactHandler{next: h.next.WithAttrs(clean), secrets: h.secrets}
}

// WithGroup implements slog.Handler.
func (h redactHandler) WithGroup(name string) slog.Handler {
	return redactHandler{next: h.next.WithGroup(name), secrets: h.secrets}
}

func (h redactHandler) attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		var members []any
		for _, m := range a.Value.Group() {
			members = append(members, h.attr(m))
		}
		return slog.Group(a.Key, members...)
	case slog.KindString:
		return slog.String(a.Key, h.secrets.Text(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return slog.Any(a.Key, h.secrets.Error(err))
		}
		if text := a.Value.String(); h.secrets.Text(text) != text {
			return slog.String(a.Key, h.secrets.Text(text))
		}
	}

	return a
}
