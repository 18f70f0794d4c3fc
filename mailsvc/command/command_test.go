package command

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestExecute(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: the programs of mail servers that are asked are Unix's")
	}

	for _, c := range []struct{ script, out, err string }{
		{"cat; echo $LC_ALL", "inputC\n", ""},
		{"echo 'sh: fatal: no such file' >&2; echo later >&2; exit 1", "", "sh: no such file"},
		{"echo 'x.conf:1: syntax error' >&2; echo 'warn: nothing to do' >&2; exit 1", "", "sh: x.conf:1: syntax error"},
		{"echo out; echo why >&2; exit 3", "out\n", "sh: why"},
		{"exit 4", "", "sh: exit status 4"},
		{"echo first; yes | head -c 1000000 >&2; exit 5", "first\n", "sh: y"},
		{"sleep 3 & echo started", "started\n", ""}, // a daemon that keeps what it inherits
	} {
		began := time.Now()
		out, err := Execute(t.Context(), "input", "sh", "-c", c.script)
		if out != c.out || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v", c.script, out, err)
		}

		if time.Since(began) > 15*time.Second {
			t.Errorf("%s: took %v", c.script, time.Since(began))
		}
	}

	if _, err := Execute(t.Context(), "", "no-such-command"); !errors.Is(err, ErrMissing) {
		t.Errorf("%v", err)
	}

	for script, want := range map[string]bool{"exit 1": true, "exit 2": false,
		"echo no >&2; exit 1": false, "exit 0": false} {
		_, err := Execute(t.Context(), "", "sh", "-c", script)
		if SilentNo(err) != want {
			t.Errorf("%s: %v", script, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Execute(ctx, "", "sh", "-c", "sleep 9"); err == nil ||
		!strings.Contains(err.Error(), "canceled") {
		t.Errorf("%v", err)
	}
}

// Output without end is not kept, and is not taken for all of it.
func TestExecuteIsBounded(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: the programs of mail servers that are asked are Unix's")
	}
	out, err := Execute(t.Context(), "", "head", "-c", "40000000", "/dev/zero")
	if len(out) != maxOut || err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("%d octets, %v", len(out), err)
	}
}
