package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// TestReadme runs the README's example in the lab, and compares what it prints with what the
// README says that it prints.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}

	text := string(data)
	if n := strings.Count(text, "\n"); n > 150 {
		t.Errorf("the README has %d lines, want at most 150", n)
	}

	config := between(t, text, "```yaml\n", "```")
	want := between(t, text, "```\n$ mailpub plan\n", "```")
	config = strings.Replace(config, "192.0.2.53", lab.NameServer, 1) +
		"verify: {resolvers: [" + lab.NameServer + "]}\n"

	s := newSiteInLab(t, lab.Options{})
	if err := os.WriteFile(filepath.Join(s.dir, "mailpub.yaml"), []byte(config),
		0o600); err != nil {
		t.Fatal(err)
	}

	if got := s.mailpub(exitOK, "plan"); got != want {
		t.Errorf("mailpub plan prints\n%s\nthe README has\n%s", got, want)
	}
}

func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, begin)
	inside, _, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("the README has no %q ... %q", begin, end)
	}
	return inside
}
