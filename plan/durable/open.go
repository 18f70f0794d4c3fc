package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
)

// OpenFile is os.OpenFile for a file in a directory that another account may write in: no symbolic link is
// followed, but those of root's, no pipe is waited for, and what is no regular file is an error. As root it
// refuses a file that yet another account could have put there or may write.
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	dir, name, err := locate(path, true)
	if err != nil {
		return nil, err
	}

	defer dir.close()

	f, err := dir.openFile(name, flag, perm)
	if err != nil {
		return nil, err
	}

	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}

	if err == nil {
		err = dir.checkTrusted(path, info)
	}

	if err != nil {
		f.Close()
		return nil, err
	}

	return f, nil
}

// read reads a whole file that OpenFile opens.
func read(path string) ([]byte, error) {
	f, err := OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// makeTemp makes a file of a new name for one that it is to become.
func (f folder) makeTemp(name string) (tmp *os.File, temp string, err error) {
	for range 10_000 {
		temp = "." + name + tempMark + strconv.FormatUint(uint64(rand.Uint32()), 10)
		tmp, err = f.openFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return tmp, temp, err
		}
	}

	return nil, "", fmt.Errorf("no temporary file in %s: %w", f.dir, err)
}
