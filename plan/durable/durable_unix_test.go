//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const nobody = 65534

// someonesDir is a directory of another user's, which only root can make.
func someonesDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root can write in the place of another user")
		}
		t.Skip("left out: only root can write in the place of another user")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// What root makes in the directory of another user is that one's, however deep.
func TestMakePrivateOfAnother(t *testing.T) {
	dir := someonesDir(t)
	for range 2 {
		if err := MakePrivate(filepath.Join(dir, "a", "b")); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"a", "a/b"} {
		if uid := owner(t, filepath.Join(dir, path)); uid != nobody {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
	file := filepath.Join(dir, "file")
	if err := Replace(file, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := MakePrivate(path); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Only what is root's own is given away, and nothing that has a name elsewhere.
func TestInherit(t *testing.T) {
	dir := someonesDir(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.WriteFile(elsewhere, nil, 0o600), os.WriteFile(at("plain"), nil, 0o600), os.WriteFile(at("daemon's"), nil, 0o600), os.Chown(at("daemon's"), 1, 1),
		os.Symlink(elsewhere, at("link")), os.Link(elsewhere, at("hard")))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Inherit(at("plain")), Inherit(at("daemon's")), Inherit(at("hard"))); err != nil {
		t.Error(err)
	}
	if err := Inherit(at("link")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a symbolic link: %v", err)
	}
	if err := Inherit(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	for path, want := range map[string]uint32{at("plain"): nobody, at("daemon's"): 1, elsewhere: 0} {
		if uid := owner(t, path); uid != want {
			t.Errorf("%s belongs to %d, want %d", path, uid, want)
		}
	}
}
