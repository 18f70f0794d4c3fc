package durable

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a killed process left is swept: at once by who holds the lock, and when it is old by every Replace. What
// others leave beside a file is not.
func TestSweep(t *testing.T) {
	const old = 2 * time.Hour
	for name, gone := range map[string]bool{
		".main.cf.mailpub123": true,
		".main.cf.4711":       true, // of former versions
		".main.cf.before-mailpub-2026-11-24.mailpub99": true,
		".main.cf.swp":                      false,
		".main.cf.mailpub":                  false,
		".main.cf.mine.mailpub7":            false,
		".main.cf":                          false,
		"main.cf.before-mailpub-2026-11-24": false,
		".other.mailpub123":                 false,
	} {
		for _, replace := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "main.cf")
			left := filepath.Join(filepath.Dir(path), name)
			if err := os.WriteFile(left, nil, 0o600); err != nil {
				t.Fatal(err)
			}

			if err := Replace(path, nil); err != nil {
				t.Fatal(err)
			}

			if _, err := os.Stat(left); err != nil {
				t.Errorf("%s is new and gone", name)
			}

			if err := os.Chtimes(left, time.Now().Add(-old), time.Now().Add(-old)); err != nil {
				t.Fatal(err)
			}

			if !replace {
				Sweep(path)
			} else if err := Replace(path, nil); err != nil {
				t.Fatal(err)
			}

			if _, err := os.Stat(left); (err != nil) != gone {
				t.Errorf("%s, replace %t: %v", name, replace, err)
			}
		}
	}
}
