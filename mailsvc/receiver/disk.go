package receiver

import (
	"io"
	"os"
)

// disk is what storing needs of a file system. Tests put faults into it.
type disk interface {
	exists(path string) bool
	makeDir(path string) error        // with its parents; one that is there is fine
	create(path string) (file, error) // fails when the file is there
	rename(from, to string) error     // a closed file
	remove(path string) error         // a closed file
	syncDir(path string) error        // makes the names in it durable
}

type file interface {
	io.WriteCloser
	Sync() error
}

// osDisk is the system's. Files and directories are their owner's alone.
type osDisk struct{}

func (osDisk) exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
func (osDisk) makeDir(path string) error { return os.MkdirAll(path, 0o700) }
func (osDisk) create(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}
func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) remove(path string) error     { return os.Remove(path) }
func (osDisk) syncDir(path string) error    { return syncDir(path) }
