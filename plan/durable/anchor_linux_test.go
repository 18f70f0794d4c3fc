package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// A directory that is exchanged for a link after the look at it leads nowhere else.
func TestAnchor(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root works by descriptors")
		}
		t.Skip("left out: only root works by descriptors")
	}

	base := t.TempDir()
	state := filepath.Join(base, "state")
	moved := filepath.Join(base, "moved")
	elsewhere := filepath.Join(base, "elsewhere")

	for _, dir := range []string{state, elsewhere} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	path, release, err := Anchor(filepath.Join(state, "office.lock"))
	if err != nil {
		t.Fatal(err)
	}

	defer release()

	if err := os.Rename(state, moved); err != nil {
		t.Fatal(err)
	}

	if err := os.Symlink(elsewhere, state); err != nil {
		t.Fatal(err)
	}

	f, err := os.OpenFile(path, os.O_CREATE|NoFollow, 0o600)
	if err != nil {
		t.Fatal(err)
	}

	f.Close()
	if _, err := os.Stat(filepath.Join(moved, "office.lock")); err != nil {
		t.Error(err)
	}

	if _, err := os.Lstat(filepath.Join(elsewhere, "office.lock")); err == nil {
		t.Error("the link was followed")
	}

	if err := os.Lchown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}

	if _, _, err := Anchor(filepath.Join(state, "office.lock")); err == nil {
		t.Error("a link of another account is followed")
	}
}
