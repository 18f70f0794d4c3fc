package plan

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrLocked means that another process works on the same site; see LockedError.
	ErrLocked = errors.New("another mailpub process is changing this site")

	// ErrLockLost means that a lock is no longer held, so that nothing was saved under it.
	ErrLockLost = errors.New("the lock of the site is lost")
)

// LockedError is ErrLocked with the name of who holds the lock.
type LockedError struct {
	Holder string // "process 812 on mail since 2026-11-29 16:20:00"
}

func (e LockedError) Error() string { return fmt.Sprintf("%v: %s", ErrLocked, e.Holder) }
func (e LockedError) Unwrap() error { return ErrLocked }

// Backend keeps the ledger of one site, and its lock: in files (plan/ledger), or in a database.
// Implementations pass the suite in plan/plantest. They are safe for concurrent use.
type Backend interface {
	// Read returns the ledger as it was last saved, without a lock: for those who only look.
	// A site that has none yet has an empty one. What can't be read as a ledger is an error,
	// and stays as it is.
	Read(ctx context.Context) (*Ledger, error)

	// Lock keeps everybody else from working on the site, and reads the ledger under the
	// lock. While another one holds it, Lock waits until wait has passed or ctx is done, then
	// fails with a LockedError.
	Lock(ctx context.Context, wait time.Duration) (Lock, error)

	// Locked reports whether somebody works on the site now.
	Locked(ctx context.Context) bool
}

// Lock is a Backend's ledger under its lock. Not safe for concurrent use.
type Lock interface {
	Store

	// Ledger is the ledger as it was when the lock was taken; whoever holds the lock changes
	// it in place.
	Ledger() *Ledger

	// Unlock gives the lock back. From then on Save fails with ErrLockLost.
	Unlock() error
}
