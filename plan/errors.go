package plan

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrStale means that what is there is no longer what the plan was made from.
	// Nothing was written.
	ErrStale = errors.New("changed since the plan was made")

	// ErrConsent means that changes would overwrite what mailpub did not put in place, and that
	// nobody agreed to it.
	ErrConsent = errors.New("consent needed to take over what others put in place")
)

// StaysError says that one thing of mailpub's could not be taken away, while its driver answers
// and others may be. The removal of the others goes on.
type StaysError struct {
	Left time.Duration // until it ends by itself; zero: it does not, as far as is known
	Err  error
}

func (e *StaysError) Error() string {
	if e.Left <= 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v; it ends by itself in %s", e.Err, FormatDuration(e.Left))
}

func (e *StaysError) Unwrap() error { return e.Err }

// joinedErrors are errors of which each stands for itself.
type joinedErrors []error

func (all joinedErrors) Error() string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (all joinedErrors) Unwrap() []error { return all }
