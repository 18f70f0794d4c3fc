package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file is replaced as a whole, whoever has the old one open, and nothing is left beside it.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.json")
	for _, text := range []string{"one", "two", "three"} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}

		reader, err := os.Open(path) // for a while yet when the next one comes
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { reader.Close() })
		time.AfterFunc(100*time.Millisecond, func() { reader.Close() })
		if got, err := Read(path); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}

	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("there are %v, %v", names, err)
	}
}

// A private directory is made with those above it, is taken as it is where it is there, and is
// an error where a file is.
func TestMakePrivate(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "above", ".mailpub")
	for range 2 {
		if err := MakePrivate(dir); err != nil {
			t.Fatal(err)
		}
	}

	file := filepath.Join(dir, "file")
	if err := Replace(file, nil); err != nil {
		t.Fatal(err)
	}

	private(t, dir)
	if err := MakePrivate(file); err == nil {
		t.Error("a file is no directory")
	}

	if err := MakePrivate(filepath.Join(file, "below")); err == nil ||
		errors.Is(err, fs.ErrExist) {
		t.Errorf("below a file: %v", err)
	}
}
