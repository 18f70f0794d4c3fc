package plan

import "errors"

var (
	// ErrStale means that what is there is no longer what the plan was made from.
	// Nothing was written.
	ErrStale = errors.New("changed since the plan was made")

	// ErrConsent means that changes would overwrite what mailpub did not put in place, and that
	// nobody agreed to it.
	ErrConsent = errors.New("consent needed to take over what others put in place")
)
