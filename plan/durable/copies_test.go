package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// The first copy stays, has the file's mode, and is found whatever the folder is called.
func TestCopies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "old [1] *")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, "main.cf")
	if err := os.WriteFile(path, []byte("one"), 0o640); err != nil {
		t.Fatal(err)
	}

	if got := CopyOf(path); got != "" {
		t.Errorf("a copy: %s", got)
	}

	for _, day := range []string{"2026-11-29", "2026-11-30"} {
		if err := KeepCopy(path, []byte("of "+day), day); err != nil {
			t.Fatal(err)
		}
	}

	kept := CopyOf(path)
	if want := path + CopySuffix + "2026-11-29"; kept != want {
		t.Fatalf("%q, want %q", kept, want)
	}

	data, err := os.ReadFile(kept)
	info, fault := os.Stat(kept)
	if err != nil || fault != nil || string(data) != "of 2026-11-29" {
		t.Errorf("%q %v %v", data, err, fault)
	}

	if is, _ := os.Stat(path); info.Mode() != is.Mode() {
		t.Errorf("mode %v, want %v", info.Mode(), is.Mode())
	}

	if CopyOf(filepath.Join(dir, "main")) != "" ||
		CopyOf(filepath.Join(dir, "none", "x")) != "" {
		t.Error("a copy of another file")
	}
}
