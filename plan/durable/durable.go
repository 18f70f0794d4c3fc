// Package durable writes files so that a crash leaves the old text or the new one, never
// half of either. It knows nothing of what is in them.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts data in the place of a file, readable by its owner alone (on Windows by those
// who may read what is in its directory, see MakePrivate): a temporary
// file beside it, fsync, rename, fsync of the directory. When it returns without an
// error the new text is on disk; when it fails the old file is as it was, and nothing
// is left beside it. What root writes in the directory of another user is that one's; what
// it writes in one of root's that a service's group may read, that group may read.
func Replace(path string, data []byte) error { return Disk{}.Replace(path, data) }

// ReplaceForGroup is Replace for a file without secrets that the group of its directory may read, where the
// directory hands its group on (set-group-ID).
func ReplaceForGroup(path string, data []byte) error {
	return Disk{}.replace(path, data, func(tmp *os.File, dir fs.FileInfo) error {
		if err := forReaders(tmp, dir); err != nil || !handsGroupOn(dir) {
			return err
		}
		return tmp.Chmod(0o640)
	})
}

// ReplaceShared is Replace for a file that belongs to another program: it keeps the old
// file's mode and owner, and writes through a symbolic link. A file that was not there yet
// gets mode.
func ReplaceShared(path string, data []byte, mode fs.FileMode) error {
	return Disk{}.ReplaceShared(path, data, mode)
}

// Disk is where files are replaced. The zero value is this machine's.
type Disk struct {
	// Fail is asked before each step, which it names with the file. A step for which it returns an error
	// fails; "write" then leaves half of the data. Nil: none fails.
	Fail func(step, path string) error
}

// Replace is the function of that name.
func (d Disk) Replace(path string, data []byte) error {
	return d.replace(path, data, forReaders)
}

// forReaders gives a new file the owner and the readers that its directory asks for.
func forReaders(tmp *os.File, dir fs.FileInfo) error {
	if os.Geteuid() == 0 {
		if err := keepOwner(tmp, dir); err != nil {
			return err
		}
	}

	if isForGroup(dir) {
		return tmp.Chmod(0o640)
	}

	return nil
}

// ReplaceShared is the function of that name.
func (d Disk) ReplaceShared(path string, data []byte, mode fs.FileMode) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}

	old, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	err = d.replace(path, data, func(tmp *os.File, _ fs.FileInfo) error {
		if old == nil {
			return tmp.Chmod(mode)
		}
		return errors.Join(keepOwner(tmp, old), tmp.Chmod(old.Mode().Perm()))
	})

	if old != nil && isBusy(err) {
		return rewrite(path, data)
	}

	return err
}

// Remove removes a file, for good: one that is not there is no error.
func (d Disk) Remove(path string) error {
	if err := d.at("remove", path); err != nil {
		return err
	}

	dir, name, err := locate(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	defer dir.close()

	if err := dir.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return errors.Join(d.at("sync the directory", path), dir.sync())
}

// rewrite writes into a file where it stands, because it can't be replaced: a container has it mounted by
// itself. A crash may leave half of it; whoever calls keeps a copy.
func rewrite(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}

	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}

	if err == nil {
		err = f.Sync()
	}

	return errors.Join(err, f.Close())
}

// Inherit gives a file or directory that is root's, in the directory of another user, to that one,
// so that what root's commands leave there stands in no service's way. It follows no symbolic
// link, leaves files of several names alone, and does nothing unless root calls it.
func Inherit(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return inherit(path)
}

func (d Disk) at(step, path string) error {
	if d.Fail == nil {
		return nil
	}
	return d.Fail(step, path)
}

// replace writes a temporary file, and puts it in the place of path as the last that can fail and leave the
// old one.
func (d Disk) replace(path string, data []byte, prepare func(tmp *os.File, dir fs.FileInfo) error) error {
	sweepOld(path)
	dir, name, err := locate(path, false)
	if err != nil {
		return err
	}

	defer dir.close()

	if err := d.at("create", path); err != nil {
		return err
	}

	tmp, temp, err := dir.makeTemp(name)
	if err != nil {
		return err
	}

	err = d.fill(tmp, path, data, func() error {
		around, err := dir.lstat(".")
		if err != nil {
			return err
		}
		return prepare(tmp, around)
	})

	if err == nil {
		err = d.at("rename", path)
	}

	if err == nil {
		err = dir.rename(temp, name)
	}

	if err != nil {
		_ = dir.remove(temp)
		return err
	}

	return errors.Join(d.at("sync the directory", path), dir.sync())
}

// fill writes the data into a temporary file, and closes it.
func (d Disk) fill(tmp *os.File, path string, data []byte, prepare func() error) error {
	err := d.write(tmp, path, data)
	if err == nil {
		err = errors.Join(d.at("prepare", path), prepare())
	}

	if err == nil {
		err = d.at("sync", path)
	}

	if err == nil {
		err = tmp.Sync()
	}

	return errors.Join(err, tmp.Close(), d.at("close", path))
}

// write writes the data; a step that fails leaves half of them, as a full disk does.
func (d Disk) write(tmp *os.File, path string, data []byte) error {
	if err := d.at("write", path); err != nil {
		_, _ = tmp.Write(data[:len(data)/2])
		return err
	}
	_, err := tmp.Write(data)
	return err
}
