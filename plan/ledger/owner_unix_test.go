//go:build !windows

package ledger

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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
	release, err := Lead(t.Context(), state, "office", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := f.Save(f.Ledger()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(state, "*"))
	if err != nil || len(left) != 5 {
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
