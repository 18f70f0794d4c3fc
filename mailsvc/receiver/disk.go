package receiver

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is what storing needs of a file system. Tests put faults into it.
type disk interface {
	exists(path string) bool
	makeDir(path string) error        // with its parents, durably; one that is there is fine
	create(path string) (file, error) // fails when the file is there
	rename(from, to string) error     // a closed file; one that is there is replaced
	remove(path string) error         // a closed file; one that is not there is fine
	syncDir(path string) error        // makes the names in it durable

	list(dir string) ([]string, error) // names in it; none where it is not there
	read(path string) ([]byte, error)

	groups() bool                                           // whether what follows works here
	boot() string                                           // differs after each start of the machine; "" when not known
	lock(path string) (file, error)                         // nil when another process has it
	syncAll(path string) error                              // makes all files and names of its file system durable
	reserve(path string, n int64) (preallocatedFile, error) // creates a file of n zero octets, durably
}

type file interface {
	io.WriteCloser
	Sync() error
	device() (uint64, error) // of the file system that it is on
}

// preallocatedFile is a file that is written in place, and stays as long as it is.
type preallocatedFile interface {
	io.WriterAt
	io.Closer
	Sync() error // of what was written: the file's own data do not change
}

type osFile struct{ *os.File }

// osDisk is the system's. Files and directories are their owner's alone, but below a directory that hands its
// group on and lets it write: there that group can read messages and remove them.
type osDisk struct{}

// modes are those of new files and directories in a directory.
func modes(dir string) (file, sub fs.FileMode) {
	const shared = fs.ModeSetgid | 0o070
	if is, err := os.Stat(dir); err == nil && is.Mode()&shared == shared {
		return 0o640, 0o770
	}
	return 0o600, 0o700
}

func (osDisk) exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
func (d osDisk) makeDir(path string) error {
	if d.exists(path) {
		return nil
	}

	parent := filepath.Dir(path)
	if err := d.makeDir(parent); err != nil {
		return err
	}

	_, mode := modes(parent)
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	return d.syncDir(parent)
}
func (osDisk) create(path string) (file, error) {
	mode, _ := modes(filepath.Dir(path))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}
func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
func (osDisk) syncDir(path string) error { return syncDir(path) }
func (osDisk) list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names, err
}
func (osDisk) read(path string) ([]byte, error) { return os.ReadFile(path) }
