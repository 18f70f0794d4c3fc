//go:build !windows

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// NoFollow are flags of os.OpenFile that refuse a symbolic link in the place of the file, and wait for no pipe.
const NoFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// isBusy reports whether a file can't be replaced because something is mounted on it.
func isBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }

// Read is os.ReadFile for what Replace writes, as OpenFile opens it.
func Read(path string) ([]byte, error) { return read(path) }

// isForGroup reports whether a directory is root's and kept for a group of its own to read, as /etc/mailpub is
// for the service, and root writes in it.
func isForGroup(dir fs.FileInfo) bool {
	is, ok := dir.Sys().(*syscall.Stat_t)
	return ok && os.Geteuid() == 0 && is.Uid == 0 && is.Gid != 0 &&
		dir.Mode().Perm()&0o077 == 0o050
}

// handsGroupOn reports whether what is made in a directory gets its group, which alone may read there beside the
// owner.
func handsGroupOn(dir fs.FileInfo) bool {
	is, ok := dir.Sys().(*syscall.Stat_t)
	return ok && is.Gid != 0 && dir.Mode()&fs.ModeSetgid != 0 &&
		dir.Mode().Perm()&0o077 == 0o050
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
	dir, name, err := locate(path, false)
	if err != nil {
		return err
	}

	defer dir.close()

	around, err := dir.lstat(".")
	if err != nil {
		return err
	}

	there, err := dir.lstat(name)
	if err == nil && there.Mode()&fs.ModeSymlink != 0 {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
	}

	if err != nil {
		return err
	}

	f, err := dir.openFile(name, os.O_RDONLY, 0)
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

	return keepOwner(f, around)
}

// checkTrusted says why root does not go by what a file of some directory says: only root, the owner of the
// directory, and the file's owner where the directory is that one's may have written it.
func (f folder) checkTrusted(path string, file fs.FileInfo) error {
	if f.root == nil {
		return nil
	}

	dir, err := f.root.Lstat(".")
	if err != nil {
		return err
	}

	is, ok := file.Sys().(*syscall.Stat_t)
	around, fine := dir.Sys().(*syscall.Stat_t)
	if !ok || !fine {
		return nil
	}

	want := fmt.Sprintf("chown %d %s; chmod go-w %[2]s", around.Uid, path)
	switch mode := file.Mode().Perm(); {
	case is.Uid != 0 && is.Uid != around.Uid:
		return fmt.Errorf("%s belongs to the account %d, and its directory to %d: root does not go by it; %s",
			path, is.Uid, around.Uid, want)
	case mode&0o002 != 0:
		return fmt.Errorf("%s (mode %#o) is writable by every user: root does not go by it; %s",
			path, mode, want)
	case is.Uid == 0 && around.Uid != 0 && is.Nlink > 1:
		return fmt.Errorf("%s is root's, has another name elsewhere and lies in a directory of the account %d: root does not go by it; remove it",
			path, around.Uid)
	case dir.Mode()&0o002 != 0 && dir.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s (mode %#o) is writable by every user: root does not go by what is in it; chmod go-w %[1]s",
			f.dir, dir.Mode().Perm())
	}

	return nil
}
