package site

import (
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// Event tells of the progress of something that takes its time.
type Event interface{ event() }

type (
	// LockWait is told before waiting for another process that works on the site.
	LockWait struct {
		Limit time.Duration
		Err   error // names the other process
	}

	// KeyMade is told of a new DKIM key.
	KeyMade struct{ Key Key }

	// ChecksStarted and ChecksEnded are told around the checks of Verify.
	ChecksStarted struct{}
	ChecksEnded   struct{}

	// ApplyStarted, ApplyProgress and ApplyEnded are told while a plan is carried out. ApplyEnded
	// is told once, also after an error.
	ApplyStarted  struct{ Plan *Plan }
	ApplyProgress struct{ plan.Event }
	ApplyEnded    struct {
		Plan *Plan
		Done int // changes carried out
		Err  error
	}

	// PropagationWait is told when the list of name servers with old answers changes.
	PropagationWait struct{ Behind []dnscheck.Behind }

	// Propagation is told when WaitPropagated ends.
	Propagation struct{ dnscheck.Settled }

	// ForwardRecreated is told of each forward that Heal made anew.
	ForwardRecreated struct{ Key plan.Key }

	// CutoverStep is told before each step of a cutover.
	CutoverStep struct {
		Step   CutoverPhase
		Moving []plan.Key
		TTL    time.Duration // with CutoverLower
		Until  time.Time     // with CutoverWait and CutoverLater: when the old TTL has run out
		Left   time.Duration
	}

	// CutoverChecks is told of the checks after the records were moved.
	CutoverChecks struct{ Checks []plan.Check }
)

func (LockWait) event()         {}
func (KeyMade) event()          {}
func (ChecksStarted) event()    {}
func (ChecksEnded) event()      {}
func (ApplyStarted) event()     {}
func (ApplyProgress) event()    {}
func (ApplyEnded) event()       {}
func (PropagationWait) event()  {}
func (Propagation) event()      {}
func (ForwardRecreated) event() {}
func (CutoverStep) event()      {}
func (CutoverChecks) event()    {}

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
