//go:build !windows

package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Root copies nothing that a link in the place of the ledger leads to, and goes by no ledger that everybody may
// write; a pipe keeps nobody waiting.
func TestForeignLedger(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root can write in the place of another user")
		}
		t.Skip("left out: only root can write in the place of another user")
	}

	secret := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}

	for what, put := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink(secret, path) },
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"open": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"version":1,"site":"office"}`),
				0o600), os.Chmod(path, 0o666))
		},
	} {
		f := Files{Dir: t.TempDir(), Site: "office"}
		err := errors.Join(put(f.Path()), os.Lchown(f.Path(), nobody, nobody),
			os.Chown(f.Dir, nobody, nobody))

		if err != nil {
			t.Fatal(err)
		}

		if _, err := f.Lock(t.Context(), 0); err == nil {
			t.Errorf("%s: it is gone by", what)
		}

		if _, err := os.Lstat(f.Path() + ".damaged"); err == nil {
			t.Errorf("%s: a copy is made", what)
		}
	}
}

// A service that runs as the owner of the state directory can go on where root's commands were:
// they leave nothing there that only root can open.
func TestRootLeavesNothingOfItsOwn(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root can write in the place of another user")
		}
		t.Skip("left out: only root can write in the place of another user")
	}

	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}

	state := filepath.Join(dir, "state")
	f, err := Files{Dir: state, Site: "office"}.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}

	defer f.Unlock()

	release, err := new(Leads).Lead(t.Context(), state, "office", func(string) {})
	if err != nil {
		t.Fatal(err)
	}

	defer release()

	if err := f.Save(f.Ledger()); err != nil {
		t.Fatal(err)
	}

	left, err := filepath.Glob(filepath.Join(state, "*"))
	if err != nil || len(left) != 6 {
		t.Fatalf("%q, %v", left, err)
	}

	for _, path := range append(left, state) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
}
