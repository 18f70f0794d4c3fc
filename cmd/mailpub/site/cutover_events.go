package site

import (
	"time"

	"github.com/mailpub/mailpub/plan"
)

// CutoverStep is told before each step of a cutover.
type CutoverStep struct {
	Step   CutoverPhase
	Moving []plan.Key
	TTL    time.Duration // with CutoverLower
	Until  time.Time     // with CutoverWait and CutoverLater: when the old TTL has run out
	Left   time.Duration
}

// CutoverPhase is a step of a cutover.
type CutoverPhase int

const (
	CutoverNothing CutoverPhase = iota // nothing that is live moves
	CutoverLower                       // the TTL goes down, and all that does not move is done
	CutoverWait                        // the old TTL is waited for
	CutoverLater                       // the old TTL takes longer than the patience
	CutoverMove                        // the records are changed
	CutoverRestore                     // the TTL goes back up
)

// CutoverChecks is told of the checks after the records were moved.
type CutoverChecks struct{ Report plan.Report }

func (CutoverStep) event()   {}
func (CutoverChecks) event() {}
