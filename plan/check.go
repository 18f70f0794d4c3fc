package plan

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Status is the outcome of a check.
type Status string

const (
	Pass Status = "pass"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip" // it can't be known from here; Got says why
)

// Reason is why a check comes out as it does, where its checker knows that for certain: the causes
// of a report go by it, and never by words meant for people.
type Reason string

const (
	ReasonSilent    Reason = "silent"    // what had to be asked does not answer
	ReasonMute      Reason = "mute"      // the mail server did not show its certificate
	ReasonPartly    Reason = "partly"    // one of several that had to be asked does not
	ReasonDown      Reason = "down"      // the mail server itself does not listen
	ReasonAbsent    Reason = "absent"    // there is none at all, as before the first apply
	ReasonElsewhere Reason = "elsewhere" // what is written is not what the world sees
	ReasonAstray    Reason = "astray"    // DNS led somewhere else
	ReasonLost      Reason = "lost"      // mailpub put it there, and it is there no more
	ReasonLapsed    Reason = "lapsed"    // mailpub put it there for a time, which is over
	ReasonUnseen    Reason = "unseen"    // nobody looks from outside; nothing that is mended here alters that
	ReasonStandIn   Reason = "stand-in"  // something of mailpub's own answered in place of the real thing
)

// Check is one finding: one id, one subject, one rule.
type Check struct {
	ID      string  `json:"id"`      // "mx.target"
	Subject Subject `json:"subject"` // what was looked at
	Status  Status  `json:"status"`
	Want    string  `json:"want"` // literal
	Got     string  `json:"got"`  // literal; for Skip the reason
	Hint    string  `json:"hint"` // what to do next; empty only for Pass
	Ref     string  `json:"ref"`  // RFC section or other source

	// Unused marks a Pass of something that neither the config nor DNS uses: nothing was there to be
	// right or wrong.
	Unused bool `json:"unused,omitempty"`

	// Ignored is set where the config ignores the finding for a time: Status is Warn then, and Advice true.
	Ignored *Ignored `json:"ignored,omitempty"`

	// Advice marks a Warn about what the config does not ask for: good to know once, no
	// drift.
	Advice bool `json:"-"`

	Reason Reason `json:"-"`
	// Cause is the id of the check that this one follows from; see Report.Causes.
	Cause string `json:"cause,omitempty"`
	// Seen is when a message that was sent showed it; zero where the report's own time is meant.
	Seen time.Time `json:"seen,omitzero"`
}

// Ignored says why a finding is ignored, and until when.
type Ignored struct {
	Until  string `json:"until"` // the last day, "2027-01-31"
	Why    string `json:"why"`
	Status Status `json:"status"` // what it is without that
}

// Cause is a finding that others follow from.
type Cause struct {
	Says         string // in a few words: "the router forgot its forwards (it restarted)"
	Check        int    // index of the finding in its report
	Consequences []int  // indices of what follows from it, in their order
}

// Checker runs checks that share their look-ups.
type Checker struct {
	// Area is what `verify --only` selects by: "dns", "router" or "mail".
	Area string
	// IDs are the ids it answers for. Each appears at least once in what Run returns.
	IDs []string
	// Also are further ids that Run may report.
	Also []string
	// After are ids whose checkers have ended before this one begins, where they run at all:
	// it would disturb them.
	After []string
	// Timeout bounds Run; zero means DefaultCheckTimeout.
	Timeout time.Duration
	// Run looks and reports. It does not return an error: what it could not find
	// out is a Skip with the reason.
	Run func(ctx context.Context) []Check
}

// DefaultCheckTimeout bounds a Checker that names no timeout of its own.
const DefaultCheckTimeout = 20 * time.Second

// RunChecks runs all checkers at once, but for what After says, each under its own deadline, and
// returns the findings in the order of the checkers. A checker that overruns its deadline
// is reported as Skip for each of its ids.
func RunChecks(ctx context.Context, checkers []Checker) []Check {
	found := make([][]Check, len(checkers))
	ended := make([]chan struct{}, len(checkers))
	for i := range ended {
		ended[i] = make(chan struct{})
	}

	for i, c := range checkers {
		go func() {
			defer close(ended[i])

			for j, other := range checkers {
				if slices.ContainsFunc(other.IDs, func(id string) bool {
					return slices.Contains(c.After, id)
				}) {
					<-ended[j]
				}
			}

			found[i] = runOne(ctx, c)
		}()
	}

	for _, e := range ended {
		<-e
	}

	return slices.Concat(found...)
}

func runOne(ctx context.Context, c Checker) []Check {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultCheckTimeout
	}

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	out := make(chan []Check, 1)
	go func() { out <- c.Run(ctx) }()
	select {
	case checks := <-out:
		return checks
	case <-ctx.Done():
	}

	var late []Check
	for _, id := range c.IDs {
		late = append(late, Check{
			ID:     id,
			Status: Skip,
			Got:    fmt.Sprintf("no answer within %v", timeout),
			Hint:   "run verify again; if it still fails, check the network path to the checked host",
		})
	}

	return late
}

// Tally counts checks by status.
type Tally struct {
	Pass int `json:"pass"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`

	Unused  int `json:"unused"`  // how many of Pass are about things that are not used
	Ignored int `json:"ignored"` // how many of Warn the config ignores
}

// Count returns the tally of checks.
func Count(checks []Check) Tally {
	var t Tally
	for _, c := range checks {
		switch c.Status {
		case Pass:
			t.Pass++
			if c.Unused {
				t.Unused++
			}
		case Warn:
			t.Warn++
			if c.Ignored != nil {
				t.Ignored++
			}
		case Fail:
			t.Fail++
		default:
			t.Skip++
		}
	}

	return t
}
