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
func Replace(path string, data []byte) error {
	return replace(path, data, func(tmp *os.File) error {
		dir, err := os.Stat(filepath.Dir(path))
		if err != nil || os.Geteuid() != 0 {
			return err
		}
		if err := keepOwner(tmp, dir); err != nil {
			return err
		}
		if isForGroup(dir) {
			return tmp.Chmod(0o640)
		}
		return nil
	})
}

// ReplaceShared is Replace for a file that belongs to another program: it keeps the old
// file's mode and owner, and writes through a symbolic link. A file that was not there yet
// gets mode.
func ReplaceShared(path string, data []byte, mode fs.FileMode) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	old, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = replace(path, data, func(tmp *os.File) error {
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

// Sweep removes what a process that was killed within Replace left beside a file. It must not be called
// while another one may replace that file.
func Sweep(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".*"))
	for _, tmp := range left {
		os.Remove(tmp)
	}
}

func replace(path string, data []byte, prepare func(*os.File) error) error {
	return steps{}.replace(path, data, prepare)
}

// steps are what replacing a file takes of the disk. Tests have one of them fail.
type steps struct {
	fail func(step string) error // asked before each; nil: none fails
}

func (s steps) at(step string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(step)
}

// replace writes a temporary file, and puts it in the place of path as the last that can fail and leave the
// old one.
func (s steps) replace(path string, data []byte, prepare func(*os.File) error) error {
	if err := s.at("create"); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = s.write(tmp, data)
	if err == nil {
		err = errors.Join(s.at("prepare"), prepare(tmp))
	}
	if err == nil {
		err = s.at("sync")
	}
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close(), s.at("close"))
	if err == nil {
		err = s.at("rename")
	}
	if err == nil {
		err = rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	return errors.Join(s.at("sync the directory"), SyncDir(filepath.Dir(path)))
}

// write writes the data; a step that fails leaves half of them, as a full disk does.
func (s steps) write(tmp *os.File, data []byte) error {
	if err := s.at("write"); err != nil {
		_, _ = tmp.Write(data[:len(data)/2])
		return err
	}
	_, err := tmp.Write(data)
	return err
}
