package mdaemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/lazy"
)

// Files of the App folder.
const (
	mainFile    = "MDaemon.ini"
	aliasFile   = "Alias.dat"
	trustedFile = "TrustedIPs.dat"
	shieldFile  = "IPShield.dat"
	userFile    = "userlist.dat" // holds passwords that can be read back: only names are taken out of it
)

// Semaphores: empty files that MDaemon takes away when it has done what they ask for.
const (
	reloadAll     = "RELOADCACHE.SEM"
	reloadAliases = "ALIAS.SEM"
	reloadTrusted = "TRUST.SEM"
	reloadShield  = "IPSHIELD.SEM"
	lockedSems    = "LOCKSEMS.SEM" // while it is there, MDaemon looks at no semaphore
)

// SemaphorePatience is how long MDaemon may take to see a semaphore.
const SemaphorePatience = 20 * time.Second

// App is the App folder of an MDaemon on this machine.
type App struct {
	Dir      string
	Patience time.Duration    // for a semaphore; 0 is SemaphorePatience
	Now      func() time.Time // nil is time.Now

	interrupt func(step int) // for tests: before each thing that is done to the folder
	steps     int
}

// step is before each thing that is done to the folder.
func (a *App) step() {
	if a.interrupt != nil {
		a.interrupt(a.steps)
		a.steps++
	}
}

// path returns where a file of the folder is. Windows knows no case; a copy on another system does.
func (a *App) path(name string) string {
	entries, _ := os.ReadDir(a.Dir)
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return filepath.Join(a.Dir, e.Name())
		}
	}
	return filepath.Join(a.Dir, name)
}

// maxFile bounds a file that is read whole.
const maxFile = 16 << 20

// read returns a file; nil where there is none.
func (a *App) read(name string) ([]byte, error) {
	path := a.path(name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(a.Dir); gone != nil {
			return nil, fmt.Errorf("service.settings.app: %w, want MDaemon's App folder, like C:\\MDaemon\\App", gone)
		}
		return nil, nil
	}

	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d octets, which is no file of settings", path,
			info.Size())
	}

	data, err := os.ReadFile(path)
	if err == nil && data == nil {
		data = []byte{}
	}

	return data, err
}

// version is what the installed MDaemon calls itself in the head of its logs, "" where none tells.
func (a *App) version() string {
	logs, _ := filepath.Glob(filepath.Join(filepath.Dir(a.Dir), "Logs", "MDaemon-*.log"))
	slices.Sort(logs)
	for _, path := range slices.Backward(logs) {
		if m := logHead().FindSubmatch(firstOctets(path)); m != nil {
			return string(m[1])
		}
	}

	return ""
}

var logHead = lazy.Regexp(`MDaemon(?: PRO)? v([0-9]+(?:\.[0-9]+)*)`)

func firstOctets(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}

	defer f.Close()

	head := make([]byte, 1024)
	n, _ := f.Read(head)
	return head[:n]
}

// hasAccount reports whether userlist.dat has an account. Of its records of 235 octets only the first
// two fields are looked at: the domain, 45 octets, and the mailbox, 30. known is false where the file is
// not there or has another layout.
func (a *App) hasAccount(domain, mailbox string) (has, known bool, err error) {
	data, err := a.read(userFile)
	if err != nil || data == nil {
		return false, false, err
	}

	const record, domainEnd, mailboxEnd = 235, 45, 75
	for _, line := range parseText(data).lines {
		if len(line) != record {
			return false, false, nil
		}

		d := strings.TrimSpace(line[:domainEnd])
		m := strings.TrimSpace(line[domainEnd:mailboxEnd])
		if strings.EqualFold(d, domain) && strings.EqualFold(m, mailbox) {
			return true, true, nil
		}
	}

	return false, true, nil
}

// keepCopy makes a dated copy of a file before the first write to it.
func (a *App) keepCopy(path string, data []byte) error {
	if data == nil {
		return nil
	}
	a.step()
	return durable.KeepCopy(path, data, a.now().Format("20060102-150405"))
}

// release takes the copy away once the file is again as the copy has it; of a file of settings those of mailpub
// count, as MDaemon itself changes others.
func (a *App) release(path string, ours []iniKey) error {
	kept := durable.CopyOf(path)
	if kept == "" {
		return nil
	}

	was, err := os.ReadFile(kept)
	if err != nil {
		return err
	}

	is, err := os.ReadFile(path)
	if err != nil || string(is) != string(was) && !sameINI(path, is, was, ours) {
		return err
	}
	if err := os.Remove(kept); err != nil {
		return err
	}

	return durable.SyncDir(a.Dir)
}

// sameINI reports whether two states of an .ini file have the same values in all of some places.
func sameINI(path string, is, was []byte, places []iniKey) bool {
	if !strings.EqualFold(filepath.Ext(path), ".ini") {
		return false
	}

	one := parseINI(is)
	other := parseINI(was)
	for _, p := range places {
		if !strings.EqualFold(p.File, filepath.Base(path)) {
			continue
		}

		a, inOne := one.get(p.Section, p.Key)
		b, inOther := other.get(p.Section, p.Key)
		if a != b || inOne != inOther {
			return false
		}
	}

	return true
}

// writeOrRemove makes a file what it is to be; nil removes it.
func (a *App) writeOrRemove(path string, data []byte) error {
	a.step()
	if data == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return durable.SyncDir(a.Dir)
	}

	return durable.ReplaceShared(path, data, 0o600)
}

// unlocked is an error while somebody has locked MDaemon's semaphores.
func (a *App) unlocked() error {
	if _, err := os.Stat(a.path(lockedSems)); err == nil {
		return fmt.Errorf("%s is in %s: another program has locked MDaemon's semaphores; nothing can be loaded until that file is removed",
			lockedSems, a.Dir)
	}
	return nil
}

// signal creates semaphores and waits until MDaemon has taken them all away.
func (a *App) signal(ctx context.Context, names []string) error {
	if err := a.unlocked(); err != nil {
		return err
	}

	for _, name := range names {
		a.step()
		if err := os.WriteFile(a.path(name), nil, 0o600); err != nil {
			return err
		}
	}

	patience := a.Patience
	if patience == 0 {
		patience = SemaphorePatience
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	for {
		left := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			_, err := os.Stat(a.path(name))
			return err != nil
		})

		if len(left) == 0 {
			return nil
		}

		select {
		case <-ctx.Done():
			for _, name := range left { // else it is done at a time that nobody expects
				os.Remove(a.path(name))
			}
			return fmt.Errorf("MDaemon did not take %s within %v: does it run?",
				strings.Join(left, ", "), patience)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (a *App) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}
