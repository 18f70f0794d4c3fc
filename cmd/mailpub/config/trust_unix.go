//go:build !windows

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// checkOwner fails where root is about to obey a file that another account may write: a config, a secret or a
// program, as sshd's StrictModes does. Files of the person who ran sudo are that person's own to obey.
// Whoever is not root obeys at his own risk.
func checkOwner(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}

	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}

	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil // whoever opens it says so
	}

	for _, p := range slices.Concat(ancestors(abs), ancestors(real)) {
		info, err := os.Stat(p)
		if err != nil {
			return nil
		}
		if err := trustedInfo(p, info); err != nil {
			return err
		}
	}

	return nil
}

// ancestors are a file and the directories above it: who may write in one of them can put another file in its
// place.
func ancestors(path string) (all []string) {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		all = append(all, path)
	}
	return all
}

// worldWritable says that every user may write a file that whoever runs mailpub is about to obey; "" where that
// is not so. As root trusted refuses such a file.
func worldWritable(path string) string {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o002 == 0 {
		return ""
	}
	return fmt.Sprintf("%s (mode %#o) is writable by every user: chmod o-w %[1]s", path,
		info.Mode().Perm())
}

func trustedInfo(path string, info fs.FileInfo) error {
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}

	mode := info.Mode()
	if info.IsDir() && mode&fs.ModeSticky != 0 { // others can't replace what is in it
		return nil
	}

	want := "want it owned by root and writable only by root: chown root " + path +
		"; chmod go-w " + path

	switch {
	case is.Uid != 0 && strconv.FormatUint(uint64(is.Uid), 10) != os.Getenv("SUDO_UID"):
		return fmt.Errorf("%s (mode %#o) belongs to user %d, who could make root run any command: %s",
			path, mode.Perm(), is.Uid, want)
	case mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s (mode %#o) is writable by every user, who could make root run any command: %s",
			path, mode.Perm(), want)
	case mode.Perm()&0o020 != 0 && is.Gid != 0:
		return fmt.Errorf("%s (mode %#o) is writable by group %d, which could have root do anything: %s",
			path, mode.Perm(), is.Gid, want)
	}

	return nil
}
