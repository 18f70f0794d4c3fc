package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CopySuffix stands between a file's name and the date of the copy that is made of it before mailpub writes to it
// for the first time.
const CopySuffix = ".before-mailpub-"

// CopyOf returns the newest dated copy of a file, "" where there is none.
func CopyOf(path string) (newest string) {
	dir, name := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean(dir)) // no pattern: a folder's name may have brackets
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+CopySuffix) {
			newest = dir + e.Name() // they are in order
		}
	}

	return newest
}

// KeepCopy puts a dated copy beside a file, with its mode, where there is none yet. day is what is put behind
// CopySuffix: days that come later sort later.
func KeepCopy(path string, data []byte, day string) error {
	return Disk{}.KeepCopy(path, data, day)
}

// KeepCopy is the function of that name.
func (d Disk) KeepCopy(path string, data []byte, day string) error {
	if CopyOf(path) != "" {
		return nil
	}

	mode := fs.FileMode(0o600)
	if is, err := os.Stat(path); err == nil {
		mode = is.Mode().Perm()
	}

	return d.ReplaceShared(path+CopySuffix+day, data, mode)
}
