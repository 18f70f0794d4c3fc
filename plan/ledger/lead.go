package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/plan/durable"
)

// leadAgain is how often a process that stands by tries to lead: once for each state directory, however
// many sites it has there.
const leadAgain = 500 * time.Millisecond

// Files of a state directory. No site has such a name.
const (
	leadFile  = "_watch.lock"  // locked by the process that watches the directory
	sitesFile = "_watch.sites" // the sites that it watches, one a line
)

// Leads makes one process at a time watch a site. The process that holds the lock of a state directory
// leads all its sites there. Another process may lead sites of the directory that the first one does not
// watch: of these each has a lock of its own. It keeps no command from working on a site: that has the
// ledger's own lock.
//
// The zero value is ready; methods may be called concurrently.
type Leads struct {
	mu   sync.Mutex
	dirs map[string]*dirLead
}

// dirLead is the lead of a state directory.
type dirLead struct {
	path string

	mu      sync.Mutex
	names   []string      // that this process watches, sorted
	held    *heldLock     // nil: another process leads, or no site is led
	leading int           // sites that are led under held
	trying  chan struct{} // closed when the attempt under way has ended; nil: there is none
	waiters int           // of trying
	stop    context.CancelFunc
	failed  error // of the last attempt

	others []string    // that the leader watches, sorted, as they were in:
	list   os.FileInfo // nil: not read
}

func (l *Leads) of(dir string) (*dirLead, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	if l.dirs == nil {
		l.dirs = map[string]*dirLead{}
	}

	if l.dirs[path] == nil {
		l.dirs[path] = &dirLead{path: path}
	}

	return l.dirs[path], nil
}

// Announce says which sites of a state directory this process watches from now on. It is called before
// Lead is called for them, so that another process leaves them alone.
func (l *Leads) Announce(dir string, sites []string) error {
	d, err := l.of(dir)
	if err != nil {
		return err
	}

	names := slices.Sorted(slices.Values(sites))
	d.mu.Lock()
	defer d.mu.Unlock()

	if slices.Equal(names, d.names) {
		return nil
	}

	d.names = names
	if d.held == nil {
		return nil
	}

	return d.publish()
}

// publish writes which sites this process watches. d.mu is held.
func (d *dirLead) publish() error {
	return durable.Replace(filepath.Join(d.path, sitesFile), []byte(strings.Join(d.names, "\n")+"\n"))
}

// Lead returns once this process leads a site. While another one does it waits, until that ends or ctx is
// done; waiting is called first, with who that is.
func (l *Leads) Lead(ctx context.Context, dir, site string, waiting func(who string)) (release func(), err error) {
	if err := durable.MakePrivate(dir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}

	d, err := l.of(dir)
	if err != nil {
		return nil, err
	}

	told := false
	tell := func(who string) {
		if !told {
			told = true
			waiting(who)
		}
	}

	for {
		release, led, err := d.tryLead(ctx, site, tell)
		if err != nil || led {
			return release, err
		}

		tell(holder(d.lockPath()))
		if err := d.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func (d *dirLead) lockPath() string { return filepath.Join(d.path, leadFile) }

// tryLead leads a site, by the directory's lock or by its own; led is false where the process that has the
// directory watches the site.
func (d *dirLead) tryLead(ctx context.Context, site string, waiting func(who string)) (release func(), led bool, err error) {
	has, err := d.join()
	if err != nil {
		return nil, false, err
	}
	if !has && d.isWatchedByOther(site) {
		return nil, false, nil
	}

	path := filepath.Join(d.path, site+".watch.lock")
	if _, err := os.Lstat(path); has && errors.Is(err, fs.ErrNotExist) {
		return d.leave, true, nil
	}

	own, err := leadAlone(ctx, path, waiting)
	if err != nil {
		if has {
			d.leave()
		}
		return nil, false, err
	}

	if has {
		return func() { own.release(); d.leave() }, true, nil
	}
	if d.isWatchedByOther(site) { // it began meanwhile, and waits for this lock
		own.release()
		return nil, false, nil
	}

	return func() { own.release() }, true, nil
}

// leadAlone takes the lock of one site.
func leadAlone(ctx context.Context, path string, waiting func(who string)) (*heldLock, error) {
	h, opened, err := openLock(path)
	if err != nil {
		return nil, err
	}

	defer opened()

	ok, err := h.flock.TryLock()
	if err == nil && !ok {
		waiting(holder(path))
		ok, err = h.flock.TryLockContext(ctx, leadAgain)
	}

	if err != nil || !ok {
		return nil, h.failed(err)
	}

	return h, h.sign()
}

// join leads one more site by the directory's lock; has is false where another process has that.
func (d *dirLead) join() (has bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.held == nil {
		if err := d.take(); err != nil {
			return false, err
		}
		if d.held == nil {
			return false, nil
		}
		if d.trying != nil {
			d.stop() // who waits need not any more
		}
	}

	d.leading++
	return true, nil
}

// take takes the directory's lock, if it is free. d.mu is held.
func (d *dirLead) take() error {
	h, opened, err := openLock(d.lockPath())
	if err != nil {
		return err
	}

	defer opened()

	ok, err := h.flock.TryLock()
	if err != nil {
		return h.failed(err)
	}
	if !ok {
		return h.flock.Close()
	}

	return d.hold(h)
}

// hold makes a lock that was taken the directory's. d.mu is held.
func (d *dirLead) hold(h *heldLock) error {
	if err := h.sign(); err != nil {
		return err
	}
	if err := d.publish(); err != nil {
		h.release()
		return err
	}

	d.held = h
	return nil
}

// leave ends what join began. With the last site the directory is free.
func (d *dirLead) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.leading--
	if d.leading == 0 {
		d.held.release()
		d.held = nil
	}
}

// isWatchedByOther reports whether the process that has the directory watches a site.
func (d *dirLead) isWatchedByOther(site string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	path := filepath.Join(d.path, sitesFile)
	info, err := os.Stat(path)
	if err != nil {
		return false
	}

	if !isSameVersion(info, d.list) {
		data, err := durable.Read(path)
		if err != nil {
			return false
		}
		d.others = strings.Fields(string(data))
		d.list = info
	}

	_, found := slices.BinarySearch(d.others, site)
	return found
}

// isSameVersion reports whether a file that is replaced as a whole was not replaced in between.
func isSameVersion(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// wait waits until this process may lead something else than before: it has the directory's lock, or the
// process that has it watches other sites by now. All sites that wait share one attempt.
func (d *dirLead) wait(ctx context.Context) error {
	d.mu.Lock()
	if d.held != nil {
		d.mu.Unlock()
		return nil
	}

	if d.trying == nil {
		trying, stop := context.WithCancel(context.WithoutCancel(ctx))
		d.trying = make(chan struct{})
		d.stop = stop
		go d.try(trying, d.trying, d.list)
	}

	ended := d.trying
	d.waiters++
	d.mu.Unlock()

	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	d.waiters--
	if d.waiters == 0 && d.trying == ended {
		d.stop()
	}
	if d.waiters == 0 && d.leading == 0 && d.held != nil && err != nil { // it came for nobody
		d.held.release()
		d.held = nil
	}
	if err == nil {
		err = d.failed
	}

	return err
}

// try ends as soon as this process has the directory's lock, or the list of sites is no longer the one
// that was read.
func (d *dirLead) try(ctx context.Context, ended chan struct{}, list os.FileInfo) {
	h, ok, err := d.takeLater(ctx, list)
	d.mu.Lock()
	defer d.mu.Unlock()
	defer close(ended)

	d.trying = nil
	d.stop()
	d.failed = err
	switch {
	case !ok:
	case d.waiters == 0:
		h.flock.Unlock()
	default:
		d.failed = d.hold(h)
	}
}

func (d *dirLead) takeLater(ctx context.Context, list os.FileInfo) (h *heldLock, ok bool, err error) {
	h, opened, err := openLock(d.lockPath())
	if err != nil {
		return nil, false, err
	}

	defer opened()

	again := time.NewTicker(leadAgain)
	defer again.Stop()

	for {
		if ctx.Err() != nil {
			return nil, false, h.flock.Close()
		}

		ok, err := h.flock.TryLock()
		if err != nil {
			return nil, false, h.failed(err)
		}
		if ok {
			return h, true, nil
		}

		now, err := os.Stat(filepath.Join(d.path, sitesFile))
		if err == nil && !isSameVersion(now, list) {
			return nil, false, h.flock.Close()
		}

		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}
