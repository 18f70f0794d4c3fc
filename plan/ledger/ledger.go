// Package ledger keeps a plan.Ledger in a file: one JSON document a site, replaced as a
// whole, under a lock that one process holds from before it reads until after it
// wrote. It is the plan.Backend of a single machine.
//
// It knows files and locks, and nothing of what the ledger says. It stands beside
// package plan because that imports the standard library only, and a lock that works
// on every system is better taken from a library.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
)

// Files keeps the ledger of one site in a state directory. It implements plan.Backend.
type Files struct {
	Dir  string // made when it is first locked
	Site string
}

// Path returns the ledger file of a site in a state directory.
func Path(dir, site string) string { return filepath.Join(dir, site+".ledger.json") }

// Path returns the ledger file.
func (f Files) Path() string { return Path(f.Dir, f.Site) }

func (f Files) lockPath() string { return filepath.Join(f.Dir, f.Site+".lock") }

// Lock locks and reads the ledger. A file that can't be read as a ledger is an error: it is
// copied aside once, and stays as it is.
func (f Files) Lock(ctx context.Context, wait time.Duration) (plan.Lock, error) {
	if err := durable.MakePrivate(f.Dir); err != nil {
		return nil, fmt.Errorf("state directory: %w", withAdvice(err))
	}

	held, err := acquire(ctx, f.lockPath(), wait)
	if err != nil {
		return nil, withAdvice(err)
	}

	durable.Sweep(f.Path())
	l, err := f.Read(ctx)
	if err != nil {
		held.release()
		return nil, err
	}

	return &lock{
		held:    held,
		path:    f.Path(),
		ledger:  l,
		replace: durable.Replace,
	}, nil
}

// withAdvice says what to do where nothing can be written.
func withAdvice(err error) error {
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w; mount it for writing, or name another directory as state: in the config", err)
	}
	return err
}

// Read reads the ledger without locking it.
func (f Files) Read(context.Context) (*plan.Ledger, error) {
	path := f.Path()
	site := f.Site
	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.NewLedger(site), nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}

	l := plan.NewLedger(site)
	err = l.UnmarshalJSON(data)
	if err == nil && l.Site != site {
		err = fmt.Errorf("it is the ledger of site %q, not of %q", l.Site, site)
	}

	if errors.Is(err, plan.ErrNewer) {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	if err != nil {
		return nil, damagedError(path, data, err)
	}

	return l, nil
}

// damagedError keeps a copy of a ledger that can't be read and says what to do. The file
// itself stays, so that nothing goes on without it.
func damagedError(path string, data []byte, cause error) error {
	aside := path + ".damaged"
	if _, err := os.Stat(aside); errors.Is(err, fs.ErrNotExist) {
		if err := durable.Replace(aside, data); err != nil {
			return fmt.Errorf("ledger %s can't be read: %w (and no copy could be kept: %v)",
				path, cause, err)
		}
	}

	return fmt.Errorf("ledger %s can't be read: %w (a copy is kept in %s; restore %s.bak or another backup, or remove the ledger: "+
		"the next plan then shows the current state, and apply adds it to the ledger)", path,
		cause, aside, path)
}

// Locked reports whether another process works on the site just now.
func (f Files) Locked(context.Context) bool { return isLockHeld(f.lockPath()) }

// keepBackup keeps the ledger as it was before this run beside it, for a person who needs it: as a second
// name of the file that Replace leaves alone; where the file system has no such thing, as a copy.
func keepBackup(path string, link func(from, to string) error, replace func(string, []byte) error) error {
	backup := path + ".bak"
	if err := os.Remove(backup); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	err := link(path, backup)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	return replace(backup, data)
}

// lock is an open ledger file. It implements plan.Lock.
type lock struct {
	held   *heldLock
	path   string
	ledger *plan.Ledger
	kept   bool // the former ledger is kept beside

	replace func(path string, data []byte) error // durable.Replace
}

func (l *lock) Ledger() *plan.Ledger { return l.ledger }

// Save replaces the file: a temporary file beside it, fsync, rename, fsync of the
// directory. A crash leaves the old ledger or the new one.
func (l *lock) Save(ledger *plan.Ledger) error {
	if err := l.held.check(); err != nil {
		return err
	}

	data, err := json.MarshalIndent(ledger, "", "  ")
	if err != nil {
		return err
	}

	if !l.kept {
		if err := keepBackup(l.path, os.Link, l.replace); err != nil {
			return err
		}
		l.kept = true
	}

	return l.replace(l.path, append(data, '\n'))
}

func (l *lock) Unlock() error { return l.held.release() }
