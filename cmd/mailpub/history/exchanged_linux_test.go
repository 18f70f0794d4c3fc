package history

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailpub/mailpub/plan/durable"
)

// A file that takes the place of the one that was looked at is neither read nor written.
func TestExchangedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.sqlite")
	f, err := durable.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}

	defer f.Close()

	c, err := newConnector(path, f)
	if err != nil {
		t.Fatal(err)
	}

	for range 2 {
		conn, err := c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}

	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}

	other := filepath.Join(dir, "other")
	for name, put := range map[string]func() error{
		"file": func() error { return os.WriteFile(path, nil, 0o600) },
		"link": func() error {
			return errors.Join(os.WriteFile(other, nil, 0o600), os.Symlink(other, path))
		},
		"none": func() error { return nil },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}

		if _, err := c.Connect(t.Context()); !errors.Is(err, errExchanged) {
			t.Errorf("%s: %v", name, err)
		}

		for _, file := range []string{path, other} {
			if info, err := os.Stat(file); err == nil && info.Size() > 0 {
				t.Errorf("%s: %s was written", name, file)
			}
		}

		if err := os.Remove(path); err != nil && name != "none" {
			t.Fatal(err)
		}
	}
}
