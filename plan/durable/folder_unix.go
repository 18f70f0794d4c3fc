//go:build !windows

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// mostLinks is how many symbolic links a path may lead over (path_resolution(7)).
const mostLinks = 40

// folder is the directory that a file is in. Root works by its descriptor, as another account that
// may write in one above it could put another directory in its place meanwhile.
type folder struct {
	dir  string
	root *os.Root // nil where mailpub does not run as root
}

// locate opens the directory of a file, and returns it with the file's name there. As root it follows
// only symbolic links that root made, or the person who ran sudo: those of another account could lead anywhere. With follow the
// file itself may be such a link, too.
func locate(path string, follow bool) (folder, string, error) {
	if os.Geteuid() != 0 {
		if real, err := filepath.EvalSymlinks(path); err == nil && follow {
			path = real
		}
		dir, name := filepath.Split(path)
		return folder{dir: filepath.Clean(dir)}, name, nil
	}

	abs, err := filepath.Abs(path)
	if err != nil {
		return folder{}, "", err
	}

	for range mostLinks {
		f, name, onward, err := descend(abs, follow)
		if err != nil || onward == "" {
			return f, name, err
		}
		abs = onward
	}

	return folder{}, "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

// descend opens one directory after the other. Where a link of root's stands in the way it returns the
// path that this leads to, and no directory.
func descend(abs string, follow bool) (f folder, name, onward string, err error) {
	root, err := os.OpenRoot("/")
	if err != nil {
		return folder{}, "", "", err
	}

	parts := strings.Split(strings.Trim(abs, "/"), "/")
	at := "/"
	for i, part := range parts {
		last := i == len(parts)-1
		if !last || follow {
			target, err := linkAt(root, at, part)
			if err != nil {
				root.Close()
				return folder{}, "", "", err
			}

			if target != "" {
				root.Close()
				return folder{}, "", filepath.Join(append([]string{target},
					parts[i+1:]...)...), nil
			}
		}

		if last {
			return folder{at, root}, part, "", nil
		}

		next, err := root.OpenRoot(part)
		if is, fault := root.Lstat(part); err != nil && fault == nil && !is.IsDir() {
			err = syscall.ENOTDIR
		}

		root.Close()
		at = filepath.Join(at, part)
		if err != nil {
			return folder{}, "", "", &fs.PathError{
				Op:   "open",
				Path: at,
				Err:  unwrapPathError(err),
			}
		}

		root = next
	}

	return folder{"/", root}, ".", "", nil
}

func (f folder) close() {
	if f.root != nil {
		f.root.Close()
	}
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	flag |= syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	if f.root == nil {
		return os.OpenFile(f.path(name), flag, perm)
	}

	file, err := f.root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: f.path(name), Err: unwrapPathError(err)}
	}

	return file, nil
}

func (f folder) lstat(name string) (fs.FileInfo, error) {
	if f.root == nil {
		return os.Lstat(f.path(name))
	}
	return f.root.Lstat(name)
}

// stat follows a link only where mailpub does not run as root: there locate has.
func (f folder) stat(name string) (fs.FileInfo, error) {
	if f.root == nil {
		return os.Stat(f.path(name))
	}
	return f.root.Lstat(name)
}

func (f folder) mkdir(name string, perm fs.FileMode) error {
	if f.root == nil {
		return os.Mkdir(f.path(name), perm)
	}
	return f.root.Mkdir(name, perm)
}

func (f folder) remove(name string) error {
	if f.root == nil {
		return os.Remove(f.path(name))
	}
	return f.root.Remove(name)
}

func (f folder) rename(from, to string) error {
	if f.root == nil {
		return os.Rename(f.path(from), f.path(to))
	}
	return f.root.Rename(from, to)
}

func (f folder) sync() error {
	d, err := f.openFile(".", os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// linkAt returns where a symbolic link of root's leads; "" where a name is none, or not there. One of another
// account is an error.
func linkAt(root *os.Root, at, name string) (target string, err error) {
	info, err := root.Lstat(name)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", nil
	}

	path := filepath.Join(at, name)
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid != 0 &&
		strconv.FormatUint(uint64(is.Uid), 10) != os.Getenv("SUDO_UID") {
		err := fmt.Errorf("%w: a symbolic link of the account %d, which root does not follow",
			syscall.ELOOP, is.Uid)
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}

	target, err = root.Readlink(name)
	if err != nil {
		return "", err
	}

	if !filepath.IsAbs(target) {
		target = filepath.Join(at, target)
	}

	return target, nil
}

// unwrapPathError takes the path off an error.
func unwrapPathError(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}
