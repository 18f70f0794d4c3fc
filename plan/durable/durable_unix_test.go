//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// As root no link of another account is followed, in any part of a path, no pipe waited for, and nothing
// checkTrusted that a third account may have written. Links of root's are followed.
func TestForeignFiles(t *testing.T) {
	t.Setenv("SUDO_UID", "")
	dir := someonesDir(t)
	secrets := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	as := func(uid int, path string) error { return os.Lchown(path, uid, uid) }
	err := errors.Join(
		os.Chmod(dir, 0o755),
		os.WriteFile(secrets+"/shadow", []byte("secret"), 0o600),
		os.Symlink(secrets, at("way")), as(nobody, at("way")),
		os.Symlink(secrets, at("roots")),
		os.Symlink(secrets+"/shadow", at("link")), as(nobody, at("link")),
		os.Link(secrets+"/shadow", at("hard")),
		syscall.Mkfifo(at("pipe"), 0o600), as(nobody, at("pipe")),
		os.WriteFile(at("daemon's"), nil, 0o600), as(1, at("daemon's")),
		os.WriteFile(at("everybody's"), nil, 0o666), os.Chmod(at("everybody's"), 0o666),
		os.WriteFile(at("own"), []byte("own"), 0o600), as(nobody, at("own")),
	)

	if err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{
		"way/shadow": "a symbolic link of the account 65534",
		"link":       "a symbolic link of the account 65534",
		"hard":       "has another name elsewhere",
		"pipe":       "not a regular file", "daemon's": "belongs to the account 1",
		"everybody's": "writable by every user",
	} {
		if data, err := Read(at(name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %s", name, data, err, want)
		}
	}

	for name, want := range map[string]string{"own": "own", "roots/shadow": "secret"} {
		if data, err := Read(at(name)); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}

	for what, err := range map[string]error{
		"replace": Replace(at("way/new"), []byte("x")),
		"remove":  Disk{}.Remove(at("way/shadow")),
		"make":    MakePrivate(at("way/below")),
		"give":    Give(at("way"), nobody, nobody),
		"inherit": Inherit(at("way/shadow")),
	} {
		if !errors.Is(err, syscall.ELOOP) {
			t.Errorf("%s: %v", what, err)
		}
	}

	if names, err := os.ReadDir(secrets); err != nil || len(names) != 1 ||
		owner(t, secrets+"/shadow") != 0 {
		t.Errorf("there are %v, %v", names, err)
	}

	if err := Replace(at("roots/new"), []byte("x")); err != nil {
		t.Error(err)
	}

	t.Setenv("SUDO_UID", "65534") // who runs it with sudo may have links
	if data, err := Read(at("link")); err != nil || string(data) != "secret" {
		t.Errorf("with sudo: %q, %v", data, err)
	}

	// A link in the place of the file itself gives way to the file.
	if err := Replace(at("link"), []byte("x")); err != nil || owner(t, at("link")) != nobody {
		t.Errorf("replaced by %v", err)
	}
}

// What a directory hands its group on to, that group may read, whoever writes it.
func TestForGroup(t *testing.T) {
	dir := someonesDir(t)
	if err := errors.Join(os.Chown(dir, nobody, 1),
		os.Chmod(dir, 0o750|fs.ModeSetgid)); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, "settings")
	key := filepath.Join(dir, "key")
	if err := errors.Join(ReplaceForGroup(path, nil), Replace(key, nil)); err != nil {
		t.Fatal(err)
	}

	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file that may be secret: %v, %v", info.Mode(), err)
	}

	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 || info.Sys().(*syscall.Stat_t).Gid != 1 ||
		owner(t, path) != nobody {
		t.Errorf("%v, %v", info, err)
	}
}

// Only what is root's own is given away, and nothing that has a name elsewhere.
func TestInherit(t *testing.T) {
	dir := someonesDir(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.WriteFile(elsewhere, nil, 0o600), os.WriteFile(at("plain"), nil, 0o600),
		os.WriteFile(at("daemon's"), nil, 0o600), os.Chown(at("daemon's"), 1, 1),
		os.Symlink(elsewhere, at("link")), os.Link(elsewhere, at("hard")))

	if err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(Inherit(at("plain")), Inherit(at("daemon's")),
		Inherit(at("hard"))); err != nil {
		t.Error(err)
	}

	if err := Inherit(at("link")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a symbolic link: %v", err)
	}

	if err := Inherit(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}

	for path, want := range map[string]uint32{at("plain"): nobody, at("daemon's"): 1,
		elsewhere: 0} {
		if uid := owner(t, path); uid != want {
			t.Errorf("%s belongs to %d, want %d", path, uid, want)
		}
	}
}
