package durable

import (
	"io/fs"
	"os"
	"path/filepath"
)

// folder is the directory that a file is in. Making links needs a privilege on Windows, so that paths do.
type folder struct{ dir string }

func locate(path string, _ bool) (folder, string, error) {
	dir, name := filepath.Split(path)
	return folder{filepath.Clean(dir)}, name, nil
}

func (f folder) close()                                 {}
func (f folder) path(name string) string                { return filepath.Join(f.dir, name) }
func (f folder) lstat(name string) (fs.FileInfo, error) { return os.Lstat(f.path(name)) }
func (f folder) remove(name string) error               { return os.Remove(f.path(name)) }
func (f folder) rename(from, to string) error           { return rename(f.path(from), f.path(to)) }
func (f folder) sync() error                            { return SyncDir(f.dir) }

func (f folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(f.path(name), flag, perm)
}
