package durable

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// errStopped is the end of a process: nothing runs after it.
var errStopped = errors.New("killed")

// everyStep is what replacing a file takes, in order.
func everyStep() []string {
	return []string{"create", "write", "prepare", "sync", "close", "rename",
		"sync the directory"}
}

// Whatever step fails, and wherever the process ends, the file has the old text or the new one, whole. An
// error leaves nothing beside it; what a process that ended left is swept.
func TestReplaceFaults(t *testing.T) {
	for _, step := range everyStep() {
		for _, killed := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "site.json")
			if err := Replace(path, []byte("the old text")); err != nil {
				t.Fatal(err)
			}

			var asked []string
			d := Disk{Fail: func(at, _ string) error {
				asked = append(asked, at)
				switch {
				case at != step:
					return nil
				case killed:
					panic(errStopped)
				}

				return errors.New("no space left on device")
			}}

			err := until(func() error {
				return d.replace(path, []byte("a new and longer text"),
					func(*os.File, os.FileInfo) error {
						return nil
					})
			})

			if err == nil || errors.Is(err, errStopped) != killed {
				t.Errorf("%s: error %v", step, err)
			}

			want := "the old text"
			if step == "sync the directory" {
				want = "a new and longer text"
			}

			if got, err := Read(path); err != nil || string(got) != want {
				t.Errorf("%s, killed: %t: %q, %v", step, killed, got, err)
			}

			if killed {
				Sweep(path)
			}

			names, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(names) != 1 {
				t.Errorf("%s, killed: %t: there are %v", step, killed, names)
			}

			if !slices.Contains(asked, step) {
				t.Errorf("nobody comes to %q", step)
			}
		}
	}
}

// until runs f until it ends, or the process would have.
func until(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	return f()
}
