package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mailpub/mailpub/plan/durable"
)

// leadAgain is how often a process that stands by tries to lead.
const leadAgain = 500 * time.Millisecond

// Lead makes this process the one that watches a site, and returns once it is. While another one
// does it waits, until that ends or ctx is done; waiting is called first, with who that is. It
// keeps no command from working on the site: that has the ledger's own lock.
func Lead(ctx context.Context, dir, site string, waiting func(who string)) (release func(), err error) {
	if err := durable.MakePrivate(dir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}

	path := filepath.Join(dir, site+".watch.lock")
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
	if err := h.sign(); err != nil {
		return nil, err
	}

	return func() { h.release() }, nil
}
