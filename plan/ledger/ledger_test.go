package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
)

// The files pass the suite of every backend. Removing the lock file takes a lock away.
func TestBackend(t *testing.T) {
	plantest.RunBackend(t, func(t *testing.T) plantest.Backends {
		dir := filepath.Join(t.TempDir(), "new", "state")
		return plantest.Backends{
			Open: func(_ *testing.T, site string) plan.Backend {
				return Files{
					Dir:  dir,
					Site: site,
				}
			},
			Steal: func(t *testing.T, site string) {
				if err := os.Remove(Files{Dir: dir, Site: site}.lockPath()); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func open(t *testing.T, dir string, wait time.Duration) (plan.Lock, *plan.Ledger, error) {
	t.Helper()
	f, err := Files{Dir: dir, Site: "office"}.Lock(t.Context(), wait)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { f.Unlock() })
	return f, f.Ledger(), nil
}

func entry() plan.Entry {
	return plan.Entry{
		Key:    mail.DNSKey("x.example", "A"),
		Target: plan.ParseTarget("zone x.example"),
		Stage:  plan.StageAddress,
		Text:   []string{"192.0.2.1 ttl 60"},
	}
}

func TestSaveAndOpenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	f, l, err := open(t, dir, 0)
	if err != nil || l.Len() != 0 || l.Site != "office" {
		t.Fatalf("a new ledger: %+v, %v", l, err)
	}

	l.Put(entry())
	if err := f.Save(l); err != nil {
		t.Fatal(err)
	}

	if err := f.Unlock(); err != nil {
		t.Fatal(err)
	}

	_, l, err = open(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}

	if e, ok := l.Get(entry().Key); !ok || !slices.Equal(e.Text, entry().Text) {
		t.Errorf("came back as %+v", e)
	}

	names, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(names) != 0 {
		t.Errorf("left behind: %q, %v", names, err)
	}
}

func TestSecondProcessWaitsOrSaysWho(t *testing.T) {
	dir := t.TempDir()
	first, _, err := open(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}

	_, _, err = open(t, dir, 60*time.Millisecond)
	if !errors.Is(err, plan.ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("error %v, want ErrLocked with the holder", err)
	}

	got := make(chan error, 1)
	go func() {
		f, err := Files{Dir: dir, Site: "office"}.Lock(context.Background(), time.Minute)
		if err == nil {
			err = f.Unlock()
		}
		got <- err
	}()

	first.Unlock()
	if err := <-got; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}

func TestDamagedLedgerIsKept(t *testing.T) {
	for name, text := range map[string]string{
		"cut short":    `{"format":"mailpub/ledger/v1","site":"office","entr`,
		"another site": `{"format":"mailpub/ledger/v1","site":"home","entries":[]}`,
		"another form": `{"format":"elsewhere/ledger/v2","site":"office","entries":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := Path(dir, "office")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}

			for range 2 {
				if _, _, err := open(t, dir, 0); err == nil ||
					!strings.Contains(err.Error(), path) {
					t.Fatalf("error %v, want one that names %s", err, path)
				}
			}

			for _, p := range []string{path, path + ".damaged"} {
				if data, err := os.ReadFile(p); err != nil || string(data) != text {
					t.Errorf("%s holds %q, %v", p, data, err)
				}
			}
		})
	}
}

func TestSaveReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	f, l, err := open(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}

	if err := f.Save(l); err != nil {
		t.Fatal(err)
	}

	before, err := os.ReadFile(Path(dir, "office"))
	if err != nil {
		t.Fatal(err)
	}

	// The new ledger can't be put in place: a directory stands where the file should be.
	taken := filepath.Join(dir, "taken")
	f.(*lock).path = taken
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}

	l.Put(entry())
	if err := f.Save(l); err == nil {
		t.Error("Save over a directory did not fail")
	}

	after, err := os.ReadFile(Path(dir, "office"))
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the old ledger changed: %v", err)
	}

	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

func TestStateDirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if _, _, err := open(t, filepath.Join(file, "state"), 0); err == nil ||
		!strings.Contains(err.Error(), "state directory") {
		t.Errorf("error %v", err)
	}
}

func TestLedgerIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}

	dir := t.TempDir()
	f, l, err := open(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}

	if err := f.Save(l); err != nil {
		t.Fatal(err)
	}

	info, err := os.Stat(Path(dir, "office"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A ledger of a newer mailpub is never to be removed, and the former one is kept beside each new one.
func TestNewerAndFormer(t *testing.T) {
	dir := t.TempDir()
	path := Path(dir, "office")
	newer := `{"format":"mailpub/ledger/v2","site":"office","entries":[]}`
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}

	_, _, err := open(t, dir, 0)
	if !errors.Is(err, plan.ErrNewer) || strings.Contains(err.Error(), "remove") {
		t.Errorf("a newer one: %v", err)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	stray := filepath.Join(dir, ".office.ledger.json.123")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		f, l, err := open(t, dir, 0)
		if err != nil {
			t.Fatal(err)
		}

		e := entry()
		e.Text = []string{} // an empty text is one too
		l.Put(e)
		if err := errors.Join(f.Save(l), f.Save(l), f.Unlock()); err != nil {
			t.Fatal(err)
		}
	}

	former, err := os.ReadFile(path + ".bak")
	if err != nil || !strings.Contains(string(former), `"text": []`) {
		t.Errorf("the former one is %s, %v", former, err)
	}

	if _, err := os.Stat(stray); err == nil {
		t.Error("what a killed process left is still there")
	}
}

// A link in the place of the lock is not followed.
func TestLinkInPlaceOfTheLock(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}

	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "nologin")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "office.lock")); err != nil {
		t.Fatal(err)
	}

	if _, _, err := open(t, dir, 0); err == nil {
		t.Error("the lock was taken through a link")
	}

	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a file was made behind the link")
	}
}
