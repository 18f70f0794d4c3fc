// Package ledger keeps a plan.Ledger in a file: one JSON document a site, replaced as a
// whole, under a lock that one process holds from before it reads until after it
// wrote.
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
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
)

// ErrLocked means that another process works on the same site.
var ErrLocked = errors.New("another mailpub works on this site")

// File is an open ledger file. It implements plan.Store. Not safe for concurrent use;
// other processes are kept out by the lock.
type File struct {
	path string
	lock *flock.Flock
}

// Path returns the ledger file of a site in a state directory.
func Path(dir, site string) string { return filepath.Join(dir, site+".ledger.json") }

// Open locks and reads the ledger of a site, kept in dir, which is made if need be.
// When another process holds the lock it waits until wait has passed or ctx is done,
// then fails with ErrLocked and says who holds it. A site without a ledger starts with
// an empty one. A file that can't be read as a ledger is an error: it is copied aside
// once, and stays as it is.
func Open(ctx context.Context, dir, site string, wait time.Duration) (*File, *plan.Ledger, error) {
	if err := durable.MakePrivate(dir); err != nil {
		return nil, nil, fmt.Errorf("state directory: %w", err)
	}
	f := &File{path: Path(dir, site), lock: flock.New(lockPath(dir, site), flock.SetPermissions(0o600))}
	if err := f.acquire(ctx, wait); err != nil {
		return nil, nil, err
	}
	l, err := Read(dir, site)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, l, nil
}

// Read reads the ledger of a site without locking it, for commands that only look.
func Read(dir, site string) (*plan.Ledger, error) {
	path := Path(dir, site)
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
	if err != nil {
		return nil, damaged(path, data, err)
	}
	return l, nil
}

// damaged keeps a copy of a ledger that can't be read and says what to do. The file
// itself stays, so that nothing goes on without it.
func damaged(path string, data []byte, cause error) error {
	aside := path + ".damaged"
	if _, err := os.Stat(aside); errors.Is(err, fs.ErrNotExist) {
		if err := durable.Replace(aside, data); err != nil {
			return fmt.Errorf("ledger %s can't be read: %w (and no copy could be kept: %v)", path, cause, err)
		}
	}
	return fmt.Errorf("ledger %s can't be read: %w (a copy is kept in %s; restore a backup, or remove the ledger: "+
		"the next plan then shows what is there, and apply takes it up)", path, cause, aside)
}

// Busy reports whether another process works on the site just now.
func Busy(dir, site string) bool {
	path := lockPath(dir, site)
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock := flock.New(path)
	free, err := lock.TryRLock()
	if free {
		lock.Unlock()
	}
	return err == nil && !free
}

func lockPath(dir, site string) string { return filepath.Join(dir, site+".lock") }

func (f *File) acquire(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ok, err := f.lock.TryLock()
	if err == nil && !ok && wait > 0 {
		ok, err = f.lock.TryLockContext(ctx, 50*time.Millisecond)
	}
	switch {
	case ok:
		return f.sign()
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s", ErrLocked, f.holder())
	default:
		return fmt.Errorf("lock %s: %w", f.lock.Path(), err)
	}
}

// holderPath is a file of its own, because a locked file can't be read on Windows.
func (f *File) holderPath() string { return f.lock.Path() + ".holder" }

// sign notes who holds the lock, for whoever has to wait. What root leaves must not keep out a
// service that runs as the directory's owner.
func (f *File) sign() error {
	host, _ := os.Hostname()
	note := fmt.Sprintf("process %d on %s since %s", os.Getpid(), host, time.Now().Format(time.DateTime))
	if err := errors.Join(durable.Inherit(f.lock.Path()), writeAnew(f.holderPath(), note)); err != nil {
		f.lock.Unlock()
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// writeAnew writes a file in the place of one that another user may have left. One that a reader has
// open on Windows can't be removed, but written.
func writeAnew(path, text string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return os.WriteFile(path, []byte(text), 0o600)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close(), durable.Inherit(path))
}

func (f *File) holder() string {
	note, err := os.ReadFile(f.holderPath())
	if err != nil || len(note) == 0 {
		return "lock " + strconv.Quote(f.lock.Path()) + " is held"
	}
	return strings.TrimSpace(string(note))
}

// Save replaces the file: a temporary file beside it, fsync, rename, fsync of the
// directory. A crash leaves the old ledger or the new one.
func (f *File) Save(l *plan.Ledger) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(f.path, append(data, '\n'))
}

// Close releases the lock.
func (f *File) Close() error {
	os.Remove(f.holderPath())
	return f.lock.Unlock()
}
