package site

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
)

// lockWait is how long a command waits for another mailpub on the same site.
const lockWait = 10 * time.Second

// ErrReadOnly means that a site was opened for looking, and something was to be written for it.
var ErrReadOnly = errors.New("the site was opened without its lock: cannot write")

// StateDir is where the ledger and other state of a site are.
func StateDir(cfg *config.Config) string { return cfg.Path(cfg.State) }

// SettingsPath is where apply leaves what the bundled receiver serves.
func SettingsPath(cfg *config.Config) string {
	dir := StateDir(cfg)
	if own := filepath.Join(dir, "receiver"); isDir(own) { // a package's receiver sees no more of the state
		dir = own
	}
	return filepath.Join(dir, cfg.Site+".receiver.json")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// files is where the ledger of a site is, where Options name no other place.
func files(cfg *config.Config) ledger.Files {
	return ledger.Files{Dir: StateDir(cfg), Site: cfg.Site}
}

// backend is what keeps the ledger of a site.
func (o Options) backend(cfg *config.Config) plan.Backend {
	if o.Backend != nil {
		return o.Backend
	}
	return files(cfg)
}

// state is what keeps the state of a site.
func (o Options) state(cfg *config.Config) State {
	if o.State != nil {
		return o.State
	}
	return StateFiles{Dir: StateDir(cfg), Site: cfg.Site}
}

// Load reads a config file, and the ledger of its site as it is now, without a lock. The ledger is
// read while the config is checked, as both take their time where there are many records.
func Load(ctx context.Context, file string, o Options) (*config.Config, *plan.Ledger, error) {
	read, err := config.Read(file)
	if err != nil {
		return nil, nil, err
	}

	var l *plan.Ledger
	var unread error
	var reading sync.WaitGroup
	dir, name := read.Ledger()
	early := ledger.Files{Dir: dir, Site: name}
	reading.Go(func() { l, unread = early.Read(ctx) })
	cfg, err := read.Check()
	reading.Wait()
	if err != nil {
		return nil, nil, err
	}

	o.warn(cfg)
	if b := o.backend(cfg); b != plan.Backend(early) {
		l, unread = b.Read(ctx)
	}

	return cfg, l, unread
}

// Warning is told of a file of the site's that everybody may write. Root refuses such a file.
type Warning struct{ Text string }

func (Warning) event() {}

func (o Options) warn(cfg *config.Config) {
	for _, text := range cfg.Exposed() {
		o.tell(Warning{text})
	}
}

// Lock is a site's lock. While it is held no other mailpub works on the site.
type Lock struct {
	cfg     *config.Config
	options Options
	held    plan.Lock
}

// NewLock locks a site. Where another process has it, NewLock tells so (LockWait) and waits a
// little; the error then names the other process and wraps plan.ErrLocked.
func NewLock(ctx context.Context, cfg *config.Config, o Options) (*Lock, error) {
	o.warn(cfg)
	l, err := tryLock(ctx, cfg, o, 0)
	if errors.Is(err, plan.ErrLocked) {
		o.tell(LockWait{Limit: lockWait, Err: err})
		return tryLock(ctx, cfg, o, lockWait)
	}
	return l, err
}

func tryLock(ctx context.Context, cfg *config.Config, o Options, wait time.Duration) (*Lock, error) {
	if o.Backend == nil {
		if err := CheckMoved(StateDir(cfg), cfg.Site); errors.Is(err, ErrMoved) { // else the lock says what is wrong
			return nil, err
		}
	}

	held, err := o.backend(cfg).Lock(ctx, wait)
	if err != nil {
		return nil, err
	}
	return &Lock{cfg: cfg, options: o, held: held}, nil
}

// Ledger is the site's ledger as it is under the lock.
func (l *Lock) Ledger() *plan.Ledger { return l.held.Ledger() }

// Close gives the lock back. Sites that were opened with it can't be written for any more.
func (l *Lock) Close() error { return l.held.Unlock() }

// LockWait is told before waiting for another process that works on the site.
type LockWait struct {
	Limit time.Duration
	Err   error // names the other process
}

func (LockWait) event() {}
