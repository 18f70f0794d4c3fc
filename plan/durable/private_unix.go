//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MakePrivate makes a directory, and those above it that are not there, that nobody but its
// owner can look into. One that is there stays as it is. What root makes in the directory of
// another user is that one's. As root it is an error where a symbolic link of another account leads there.
func MakePrivate(dir string) error {
	d, name, err := locate(dir, true)
	if errors.Is(err, fs.ErrNotExist) {
		if up := filepath.Dir(dir); up != dir {
			if err := MakePrivate(up); err != nil {
				return err
			}
		}
		d, name, err = locate(dir, true)
	}

	if err != nil {
		return err
	}

	defer d.close()

	if is, err := d.stat(name); err == nil {
		if !is.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}

	if d.root == nil {
		if up := filepath.Dir(dir); up != dir {
			if err := MakePrivate(up); err != nil {
				return err
			}
		}
	}

	if err := d.mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: unwrapPathError(err)}
	}

	return Inherit(dir)
}

// Give gives a directory to an account, by its descriptor.
func Give(dir string, uid, gid int) error {
	d, name, err := locate(dir, true)
	if err != nil {
		return err
	}

	defer d.close()

	f, err := d.openFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}

	return errors.Join(f.Chown(uid, gid), f.Close())
}
