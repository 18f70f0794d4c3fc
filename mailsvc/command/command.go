// Package command runs the commands of mail servers, and says what went wrong in their own
// words. It knows no server.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/trace"
)

// Run executes a command with input and returns what it printed. An error says what the
// command said.
type Run func(ctx context.Context, input, name string, args ...string) (stdout string, err error)

// timeout bounds each command. A restart of a server takes seconds.
const timeout = time.Minute

// What is kept of a command's output, in octets.
const (
	maxOut  = 32 << 20
	maxErrs = 64 << 10
)

// ErrMissing says that there is no such command on this machine.
var ErrMissing = errors.New("not installed here")

// Execute is the Run that executes, with a deadline and without another language than
// English.
func Execute(ctx context.Context, input, name string, args ...string) (string, error) {
	end := trace.Start(ctx, "command", name, strings.Join(args, " "))
	if input != "" {
		trace.Wire(ctx, "command", name, trace.Sent, input)
	}

	out, err := execute(ctx, input, name, args...)
	end(err)
	trace.Wire(ctx, "command", name, trace.Received, out)

	return out, err
}

func execute(ctx context.Context, input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	path, err := Find(name)
	if err != nil {
		return "", err
	}

	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second // daemons keep what they inherit open
	out := limited{most: maxOut}
	errs := limited{most: maxErrs}
	cmd.Stdin = strings.NewReader(input)
	cmd.Stdout = &out
	cmd.Stderr = &errs
	err = cmd.Run()
	if err == nil && out.over {
		err = fmt.Errorf("it printed more than %d MiB", maxOut>>20)
	}

	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}

	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.text.String(), failed(name, err, errs.text.String())
	}

	return out.text.String(), nil
}

// limited keeps the beginning of what a command prints: how long a queue is, senders decide.
type limited struct {
	text bytes.Buffer // not embedded: its ReadFrom knows no bound
	most int
	over bool
}

// Write implements io.Writer. It takes everything, so that the command goes on.
func (l *limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.most-l.text.Len())]
	l.over = l.over || len(kept) < len(p)
	l.text.Write(kept)
	return len(p), nil
}

// Find looks for a command where administrators' commands are, too: a path without sbin is
// what cron has.
func Find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no %s", ErrMissing, name)
}

// failure is a command that failed, and what it said about that.
type failure struct {
	name, text string
	err        error
	warnings   bool // it said nothing else
}

func (f failure) Error() string {
	if f.text == "" {
		return f.name + ": " + f.err.Error()
	}
	return f.name + ": " + f.text
}

func (f failure) Unwrap() error { return f.err }

// SilentNo reports whether a command said no with its exit code 1, and nothing else but warnings,
// which may be about anything.
func SilentNo(err error) bool {
	var f failure
	var exit *exec.ExitError
	return errors.As(err, &f) && f.warnings && errors.As(f.err, &exit) && exit.ExitCode() == 1
}

// prefix is what Postfix's and Dovecot's commands put before a message.
var prefix = lazy.Regexp(`^(\S+: )?(fatal|error|Fatal|Error): |^doveconf: |^doveadm(\(\w*\))?: `)

// failed says of a failed command what it said itself: the lines that speak of errors, else
// the last one.
func failed(name string, err error, stderr string) error {
	var fatal []string
	last := ""
	warnings := true

	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}

		warnings = warnings && strings.Contains(line, "warning: ")
		last = prefix().ReplaceAllString(line, "")
		if n := len(fatal); n > 0 && strings.HasSuffix(fatal[n-1], ":") { // what it is about follows
			fatal[n-1] += " " + last
			continue
		}

		if lower := strings.ToLower(line); strings.Contains(lower, "fatal") ||
			strings.Contains(lower, "error") {
			fatal = append(fatal, last)
		}
	}

	if len(fatal) > 0 {
		last = strings.Join(fatal, "; ")
	}

	return failure{name, last, err, warnings}
}
