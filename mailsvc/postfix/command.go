package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Run executes a command and returns what it printed. An error says what the command said.
type Run func(ctx context.Context, name string, args ...string) (stdout string, err error)

// commandTimeout bounds each command. A restart of Postfix takes seconds.
const commandTimeout = time.Minute

func (d *Driver) run(ctx context.Context, name string, args ...string) (string, error) {
	if d.Run != nil {
		return d.Run(ctx, name, args...)
	}
	return Execute(ctx, name, args...)
}

// packageOf names the Debian package that a command is in.
var packageOf = map[string]string{"doveconf": "dovecot-core", "doveadm": "dovecot-core"}

// Execute is the Run that executes, with a deadline, in the language that it understands.
func Execute(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	path, err := find(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second // daemons keep what they inherit open
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), commandError(name, err, errs.String())
	}
	return out.String(), nil
}

// find looks for a command where administrators' commands are, too: a path without sbin is
// what cron has.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	pkg := packageOf[name]
	if pkg == "" {
		pkg = "postfix"
	}
	return "", fmt.Errorf("%s is not installed here: no %s (apt-get install %s), or service.type should be another", strings.TrimSuffix(pkg, "-core"), name, pkg)
}

// prefix is what Postfix's and Dovecot's commands put before a message.
var prefix = regexp.MustCompile(`^(\S+: )?(fatal|error|Fatal|Error): |^doveconf: |^doveadm(\(\w*\))?: `)

// failure is a command that failed, and what it said about that.
type failure struct {
	name, text string
	err        error
}

func (f failure) Error() string {
	if f.text == "" {
		return f.name + ": " + f.err.Error()
	}
	return f.name + ": " + f.text
}

func (f failure) Unwrap() error { return f.err }

// silentNo reports whether a command said no with its exit code, and nothing else.
func silentNo(err error) bool {
	var f failure
	var exit *exec.ExitError
	return errors.As(err, &f) && f.text == "" && errors.As(f.err, &exit) && exit.ExitCode() == 1
}

// commandError says of a failed command what it said itself: the lines that are fatal, else
// the last one.
func commandError(name string, err error, stderr string) error {
	var fatal []string
	last := ""
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		last = prefix.ReplaceAllString(line, "")
		if strings.Contains(strings.ToLower(line), "fatal") {
			fatal = append(fatal, last)
		}
	}
	if len(fatal) > 0 {
		last = strings.Join(fatal, "; ")
	}
	return failure{name, last, err}
}
