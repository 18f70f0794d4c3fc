package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	sdjournal "github.com/coreos/go-systemd/v22/journal"
)

// NewLog makes a log of what is at least of a level: text or json, which go to w, or journald.
func NewLog(form string, from slog.Level, w io.Writer) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: from}
	var h slog.Handler
	switch form {
	case "text":
		h = slog.NewTextHandler(w, o)
	case "json":
		h = slog.NewJSONHandler(w, o)
	case "journald":
		if !sdjournal.Enabled() {
			return nil, fmt.Errorf("--log journald: journald is not available; want text or json")
		}
		h = &journald{level: o.Level, send: sdjournal.Send}
	default:
		return nil, fmt.Errorf("--log is %q, want auto, text, json or journald", form)
	}

	return slog.New(h), nil
}

// journald writes to systemd's journal, each attribute as a field of its own: MAILPUB_SITE,
// MAILPUB_EVENT and so on.
type journald struct {
	level slog.Leveler
	attrs []slog.Attr
	group string
	send  func(message string, priority sdjournal.Priority, vars map[string]string) error
}

func (j *journald) Enabled(_ context.Context, l slog.Level) bool { return l >= j.level.Level() }

// Handle implements slog.Handler. In the message stands what a person needs to see.
func (j *journald) Handle(_ context.Context, r slog.Record) error {
	vars := map[string]string{"SYSLOG_IDENTIFIER": "mailpub"}
	var more []string
	add := func(name string, v slog.Value) {
		value := v.Resolve().String()
		vars["MAILPUB_"+field(name)] = value
		more = append(more, name+"="+value)
	}

	for _, a := range j.attrs {
		add(a.Key, a.Value)
	}

	r.Attrs(func(a slog.Attr) bool { add(j.group+a.Key, a.Value); return true })
	message := r.Message
	if len(more) > 0 {
		message += " (" + strings.Join(more, " ") + ")"
	}

	return j.send(message, priority(r.Level), vars)
}

// field makes the name of a field of the journal: capital letters, digits and underscores.
func field(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

func priority(l slog.Level) sdjournal.Priority {
	switch {
	case l >= slog.LevelError:
		return sdjournal.PriErr
	case l >= slog.LevelWarn:
		return sdjournal.PriWarning
	case l >= slog.LevelInfo:
		return sdjournal.PriInfo
	}

	return sdjournal.PriDebug
}

func (j *journald) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *j
	with.attrs = slices.Clone(j.attrs)
	for _, a := range attrs {
		a.Key = j.group + a.Key
		with.attrs = append(with.attrs, a)
	}
	return &with
}

func (j *journald) WithGroup(name string) slog.Handler {
	with := *j
	with.group += name + "."
	return &with
}
