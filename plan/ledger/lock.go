package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
)

// retry is how often a process that waits for a ledger's lock tries to get it.
const retry = 50 * time.Millisecond

// heldLock is a lock file that this process holds.
type heldLock struct {
	flock *flock.Flock
	path  string
}

// openLock returns the lock of a file, and ends the look at its directory. The library opens the file itself when
// the lock is first asked for: never what a link in its place leads to, and by the directory's descriptor, as another
// account may write there.
func openLock(path string) (h *heldLock, opened func(), err error) {
	anchored, opened, err := durable.Anchor(path)
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s: %w", path, err)
	}
	f := flock.New(anchored, flock.SetPermissions(0o600),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|durable.NoFollow))
	return &heldLock{flock: f, path: path}, opened, nil
}

// failed is an error of the lock file, with its path.
func (h *heldLock) failed(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && at.Path == h.flock.Path() {
		at.Path = h.path
	}
	return fmt.Errorf("lock %s: %w", h.path, err)
}

// acquire takes the lock of a file, which is made if need be. While another process holds it, it
// waits until wait has passed or ctx is done.
func acquire(ctx context.Context, path string, wait time.Duration) (*heldLock, error) {
	h, opened, err := openLock(path)
	if err != nil {
		return nil, err
	}

	defer opened()

	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()

	ok, err := h.flock.TryLock()
	if err == nil && !ok && wait > 0 {
		ok, err = h.flock.TryLockContext(ctx, retry)
	}

	switch {
	case ok:
		return h, h.sign()
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		return nil, plan.LockedError{Holder: holder(path)}
	default:
		return nil, h.failed(err)
	}
}

// isLockHeld reports whether another process holds the lock of a file.
func isLockHeld(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}

	f := flock.New(path, flock.SetFlag(os.O_RDONLY|durable.NoFollow))
	free, err := f.TryRLock()
	if free {
		f.Unlock()
	}

	return err == nil && !free
}

// check fails where the lock is given back, or where its file is another one by now, so that
// somebody else may hold that.
func (h *heldLock) check() error {
	if !h.flock.Locked() {
		return plan.ErrLockLost
	}

	own, err := h.flock.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", plan.ErrLockLost, err)
	}

	there, err := os.Lstat(h.path)
	if err != nil {
		return fmt.Errorf("%w: %w", plan.ErrLockLost, err)
	}
	if !os.SameFile(own, there) {
		return fmt.Errorf("%w: %s was replaced", plan.ErrLockLost, h.path)
	}

	return nil
}

// release gives the lock back.
func (h *heldLock) release() error {
	if !h.flock.Locked() {
		return nil
	}
	if h.check() == nil {
		removeHolder(h.path)
	}
	return h.flock.Unlock()
}

// holderPath is a file of its own, because a locked file can't be read on Windows.
func holderPath(lock string) string { return lock + ".holder" }

// sign notes who holds the lock, for whoever has to wait. What root leaves must not keep out a
// service that runs as the directory's owner. Where it fails, the lock is given back.
func (h *heldLock) sign() error {
	path := h.path
	host, _ := os.Hostname()
	note := fmt.Sprintf("process %d on %s since %s", os.Getpid(), host,
		time.Now().Format(time.DateTime))

	if err := errors.Join(durable.Inherit(path),
		writeAnew(holderPath(path), note)); err != nil {
		h.flock.Unlock()
		return fmt.Errorf("lock: %w", err)
	}

	return nil
}

// removeHolder takes the note of who held a lock away, by the descriptor of its directory.
func removeHolder(lock string) error {
	anchored, release, err := durable.Anchor(holderPath(lock))
	if err != nil {
		return err
	}
	defer release()
	return os.Remove(anchored)
}

// writeAnew writes the note at path in the place of one that another user may have left. One that a reader has
// open on Windows can't be removed, but written.
func writeAnew(path, text string) error {
	anchored, release, err := durable.Anchor(path)
	if err != nil {
		return err
	}

	defer release()

	if err := os.Remove(anchored); err != nil && !errors.Is(err, fs.ErrNotExist) {
		file, err := os.OpenFile(anchored, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|durable.NoFollow,
			0o600)
		if err != nil {
			return err
		}
		_, err = file.WriteString(text)
		return errors.Join(err, file.Close())
	}

	file, err := os.OpenFile(anchored, os.O_WRONLY|os.O_CREATE|os.O_EXCL|durable.NoFollow,
		0o600)

	if err != nil {
		return err
	}

	_, err = file.WriteString(text)
	return errors.Join(err, file.Close(), durable.Inherit(path))
}

// holder is who holds the lock of a file, as that one noted it.
func holder(lock string) string {
	note, err := durable.Read(holderPath(lock))
	if err != nil || len(note) == 0 {
		return "lock " + strconv.Quote(lock) + " is held"
	}
	return strings.TrimSpace(string(note))
}
