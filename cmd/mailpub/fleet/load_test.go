package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// config is that of a site whose zone a person enters.
func siteConfig(name, more string) string {
	return fmt.Sprintf(`site: %s
%sserver: {hostname: mail.%s.example, address: 192.168.10.5, public: {ipv4: 2.2.2.2}}
router: {protocol: none}
service: {type: manual}
zones: [{name: %s.example, provider: manual}]
domains: [{name: %s.example}]
`, name, more, name, name, name)
}

// writeOld writes a file as it was left an hour ago.
func writeOld(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	at := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Only what changed is read again: a file, or the defaults beneath it. What is wrong is read each time.
func TestLoadReadsWhatChanged(t *testing.T) {
	dir := t.TempDir()
	sites := filepath.Join(dir, "sites")
	if err := os.Mkdir(sites, 0o700); err != nil {
		t.Fatal(err)
	}

	at := func(i int) string { return filepath.Join(sites, fmt.Sprintf("%03d.yaml", i)) }
	const plain, over = 20, 10
	defaults := filepath.Join(dir, "defaults.yml")
	writeOld(t, defaults, "watch: {every: 10m}\n")
	for i := range plain + over {
		more := ""
		if i >= plain {
			more = "defaults: ../defaults.yml\n"
		}
		writeOld(t, at(i), siteConfig(fmt.Sprintf("s%03d", i), more))
	}

	l := newLoader([]string{sites}, site.Options{})
	digests := map[string]string{}
	load := func(parsed, wrongs int, what string) (changed int) {
		t.Helper()
		l.parsed = 0
		found, wrong, err := l.load(t.Context())
		if err != nil || len(wrong) != wrongs {
			t.Fatalf("%s: %v, %v", what, wrong, err)
		}
		if l.parsed != parsed {
			t.Errorf("%s: %d files were read, want %d", what, l.parsed, parsed)
		}

		for _, s := range found {
			if digests[s.Name] != s.Digest {
				changed++
			}
			digests[s.Name] = s.Digest
		}

		return changed
	}

	load(plain+over, 0, "at first")
	if n := load(0, 0, "again"); n != 0 {
		t.Errorf("%d sites changed", n)
	}

	writeOld(t, at(3), siteConfig("s003", "language: it\n"))
	if n := load(1, 0, "one file"); n != 1 {
		t.Errorf("one file: %d sites changed", n)
	}

	writeOld(t, defaults, "watch: {every: 20m}\n")
	if n := load(over, 0, "the defaults"); n != over {
		t.Errorf("the defaults: %d sites changed", n)
	}

	if got := l.beneath(); len(got) != 1 || filepath.Base(got[0]) != "defaults.yml" {
		t.Errorf("the configs build on %q", got)
	}

	writeOld(t, at(4), "site: s004\n")
	load(1, 1, "a wrong file")
	load(1, 1, "a wrong file, again")
	writeOld(t, at(4), siteConfig("s004", ""))
	load(1, 0, "it is right")

	// The same size, time and inode, and another text: only a comparison finds that.
	same := strings.Replace(siteConfig("s005", ""), "2.2.2.2", "2.2.2.7", 1)
	writeAt := func(path, text string) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}

	writeAt(at(5), same)
	load(0, 0, "behind its back")
	l.reread()
	if n := load(1, 0, "SIGHUP"); n != 1 {
		t.Errorf("SIGHUP: %d sites changed", n)
	}

	if err := os.Remove(at(6)); err != nil {
		t.Fatal(err)
	}
	load(0, 0, "one is gone")
	if len(l.loaded) != plain+over-1 {
		t.Errorf("%d files are remembered", len(l.loaded))
	}
}

// A file that was written a moment ago may change within the same tick of the clock: it is read again.
func TestLoadDoesNotBelieveFreshTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "office.yaml")
	if err := os.WriteFile(path, []byte(siteConfig("office", "")), 0o600); err != nil {
		t.Fatal(err)
	}

	l := newLoader([]string{path}, site.Options{})
	for range 2 {
		if _, wrong, err := l.load(t.Context()); err != nil || len(wrong) > 0 {
			t.Fatal(wrong, err)
		}
	}

	if l.parsed != 2 {
		t.Errorf("read %d times", l.parsed)
	}
}
