package config

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`pass show mail`:              {"pass", "show", "mail"},
		` "/opt/my tool" 'a b' c\ d `: {"/opt/my tool", "a b", "c d"},
		`x ""`:                        {"x", ""},
		`x "a 'b'" 'c "d"'`:           {"x", "a 'b'", `c "d"`},
		`x 'a\b'`:                     {"x", `a\b`},
		`x "a\b\\c\"d\$"`:             {"x", `a\b\c"d$`},
		`x a\b\"c`:                    {"x", `ab"c`},
		`x \`:                         {"x", `\`},
		`x 'a'"b"c`:                   {"x", "abc"},
		`"open`:                       nil,
		``:                            nil,
	} {
		got, err := splitWords(line, false)
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}

	for line, want := range map[string][]string{
		`C:\tools\pw.exe show mail`:           {`C:\tools\pw.exe`, "show", "mail"},
		`"C:\Program Files\pw.exe" "a \"b\""`: {`C:\Program Files\pw.exe`, `a "b"`},
		`\\server\share\pw.exe 'a b'`:         {`\\server\share\pw.exe`, "a b"},
	} {
		if got, err := splitWords(line, true); err != nil || !slices.Equal(got, want) {
			t.Errorf("Windows, %s: %q, %v, want %q", line, got, err, want)
		}
	}
}

// A command that leaves a child behind holds nobody up, and one that prints without end fills no memory.
func TestCommandsEnd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no sh on Windows")
	}

	began := time.Now()
	secret, err := Resolve(t.Context(), `exec:sh -c 'sleep 15 & echo hush'`, t.TempDir())
	if err != nil || secret != "hush" || time.Since(began) > 10*time.Second {
		t.Errorf("%q, %v after %v", secret, err, time.Since(began))
	}

	if _, err := Resolve(t.Context(), "exec:cat /dev/zero", t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "more than 64 KiB") {
		t.Errorf("without end: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()

	if _, err := Resolve(ctx, "exec:sleep 60", t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "did not end in time") {
		t.Errorf("too slow: %v", err)
	}
}

// A file that refers to itself, or that aliases make huge, is told of and fills no memory.
func TestAliases(t *testing.T) {
	for name, text := range map[string]string{
		"itself": "server: &s {hostname: a.b.it, public: *s}\n",
		"laughs": "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n" +
			"c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n" +
			"e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
		"nesting": strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mailpub.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}

			began := time.Now()
			if _, err := Load(path); err == nil ||
				!strings.Contains(err.Error(), "mailpub.yaml") {
				t.Errorf("error %v", err)
			}

			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
