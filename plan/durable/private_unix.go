//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// MakePrivate makes a directory, and those above it that are not there, that nobody but its
// owner can look into. One that is there stays as it is. What root makes in the directory of
// another user is that one's.
func MakePrivate(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return os.MkdirAll(dir, 0o700) // which says so where it is none
	}
	if up := filepath.Dir(dir); up != dir {
		if err := MakePrivate(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return Inherit(dir)
}
