//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SyncDir makes a rename in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// NoFollow is a flag of os.OpenFile that refuses a symbolic link in the place of the file.
const NoFollow = syscall.O_NOFOLLOW

// isBusy reports whether a file can't be replaced because something is mounted on it.
func isBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }

// rename replaces a file that others may have open: they go on with the old one.
func rename(from, to string) error { return os.Rename(from, to) }

// Read is os.ReadFile for what Replace writes.
func Read(path string) ([]byte, error) { return os.ReadFile(path) }

// isForGroup reports whether a directory is root's and kept for a group of its own to read, as /etc/mailpub is
// for the service.
func isForGroup(dir fs.FileInfo) bool {
	is, ok := dir.Sys().(*syscall.Stat_t)
	return ok && is.Uid == 0 && is.Gid != 0 && dir.Mode().Perm()&0o077 == 0o050
}

// keepOwner gives f the owner and group of old.
func keepOwner(f *os.File, old fs.FileInfo) error {
	s, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(s.Uid), int(s.Gid))
}

func inherit(path string) error {
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok || is.Uid != 0 || !info.IsDir() && is.Nlink > 1 {
		return nil
	}
	return keepOwner(f, dir)
}
