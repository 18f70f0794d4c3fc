package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mailpub/mailpub/plan/durable"
)

// ErrMoved means that a site was moved into a fleet's database: what its files say no longer holds.
var ErrMoved = errors.New("the site is in a fleet's database now")

// markPath is the file that says where a site has moved.
func markPath(dir, name string) string { return filepath.Join(dir, name+".fleet") }

// MarkMoved notes beside the state of a site that it is in a fleet, under a path.
func MarkMoved(dir, name, path string) error {
	return durable.Replace(markPath(dir, name), []byte(path+"\n"))
}

// Unmark takes the note away.
func Unmark(dir, name string) error {
	err := os.Remove(markPath(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// CheckMoved fails with an ErrMoved where a site has moved.
func CheckMoved(dir, name string) error {
	path, err := durable.Read(markPath(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}

	return fmt.Errorf("%w, as %s: use mailpub fleet, or remove %s after mailpub fleet export", ErrMoved, string(path[:max(len(path)-1, 0)]),
		markPath(dir, name))
}
