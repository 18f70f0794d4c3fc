package notify

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What may hang of what can't be ended: one attempt and, should that go on hanging, another one
// later, as a service that swallowed one message may take the next; but no more than a few for good.
const (
	hangingMost  = 3
	hangingPause = 10 * time.Minute
)

var errHangs = errors.New("the previous message is still being sent")

// attempts bounds calls that know no context. Its zero value is ready; it is safe for concurrent use.
type attempts struct {
	mu      sync.Mutex
	begun   int       // those that have not ended
	hanging time.Time // when the last one began
}

// do calls send and returns when that or ctx has ended, whichever is first. A call that goes on after
// that counts as hanging: while there is one do refuses with errHangs, but for one more try
// after each hangingPause, until hangingMost hang.
func (a *attempts) do(ctx context.Context, send func() error) error {
	a.mu.Lock()
	if a.begun >= hangingMost || a.begun > 0 && time.Since(a.hanging) < hangingPause {
		a.mu.Unlock()
		return errHangs
	}

	a.begun = a.begun + 1
	a.hanging = time.Now()
	a.mu.Unlock()
	ended := make(chan error, 1) // it never waits for its reader
	go func() {
		err := send()
		a.mu.Lock()
		a.begun--
		a.mu.Unlock()
		ended <- err
	}()

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
