// Package page draws what is known of sites, for a browser: the way of the mail as a picture,
// what is wrong on it and what to do, and how it was in the last weeks. It serves that as
// read-only pages, and writes it as one file.
//
// It knows findings and no site: it asks nobody anything. Pages need nothing from elsewhere,
// and no script but to stay up to date.
package page

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// Site is what a page shows of one site.
type Site struct {
	watch.Snapshot
	Events []watch.Event // newest first
	Days   []history.Day // oldest first; nil where there is no history
}

// State is how well a site is: Bad where something keeps mail from arriving or going out as it
// should, Uneasy where something should be looked at, Unknown where nobody could look.
func (s Site) State() history.State { return StateOf(s.Snapshot) }

// StateOf is State for a snapshot.
func StateOf(s watch.Snapshot) history.State {
	t := plan.Count(s.Report.Checks)
	switch {
	case s.Standby || s.Took == 0 && s.Err == nil:
		return history.Unknown // and so is a site whose config was wrong from the start
	case t.Fail > 0:
		return history.Bad
	case s.Err != nil && t.Pass == 0:
		return history.Unknown
	case s.Err != nil || s.Config != nil || slices.ContainsFunc(s.Report.Checks, gotNoAnswer) ||
		slices.ContainsFunc(s.Report.Checks, needsAttention) || slices.ContainsFunc(s.Report.Changes, plan.Change.Differs):
		return history.Uneasy
	}

	return history.Good
}

// gotNoAnswer reports whether a check could not be made as a name server or the mail server did not answer. That there is no
// router to ask may be as the config says, and the PTR's zone is the connectivity provider's.
func gotNoAnswer(c plan.Check) bool {
	return c.Status == plan.Skip && c.Reason == plan.ReasonSilent &&
		!strings.HasPrefix(c.ID, "router.") && !strings.HasPrefix(c.ID, "ptr.")
}

// needsAttention reports whether a finding, short of a failure, asks for somebody to look.
func needsAttention(c plan.Check) bool { return c.Status == plan.Warn && !c.Advice }

// Headline says in one sentence how a site is.
func (s Site) Headline() string {
	checks := s.Report.Checks
	switch s.State() {
	case history.Bad:
		i := slices.IndexFunc(checks, func(c plan.Check) bool {
			return c.Status == plan.Fail && c.Cause == ""
		})

		if causes := s.Report.Causes; len(causes) > 0 {
			return capitalize(causes[0].Says) + "."
		}

		c := checks[max(i, 0)]
		return c.ID + " fails: " + cmp.Or(c.Got, c.Subject.String()) + "."
	case history.Uneasy:
		if s.Err != nil { // what was not seen is never said to be well
			return "Not everything could be checked: " + s.Err.Error() + "."
		}
		if s.Config != nil {
			return "The config has errors; the former version stays in use: " +
				s.Config.Error() + "."
		}
		if i := slices.IndexFunc(checks, gotNoAnswer); i >= 0 && !slices.ContainsFunc(checks, needsAttention) {
			return "Not everything could be checked: " + checks[i].Got + "."
		}
		if s.showed(catalog.MailOutside) {
			return "Mail arrives. Some findings need attention."
		}

		return "Some findings need attention. Whether mail arrives from outside is unknown."
	case history.Good:
		return s.headlineWell()
	}

	switch {
	case s.Config != nil:
		return "The config has errors; the site is not watched: " + s.Config.Error() + "."
	case s.Standby:
		return "Another mailpub watches this site; this one is on standby."
	case s.Err != nil:
		return "Status unknown: " + s.Err.Error() + "."
	}

	return "Not checked yet."
}

// headlineWell says that a site is well, and not more than was seen: what only inside was looked at is said to be so.
func (s Site) headlineWell() string {
	in := s.showed(catalog.MailOutside) || s.showed(catalog.PortOutside)
	out := s.showed(catalog.OutboundDelivered)
	switch {
	case in && out:
		return "Mail arrives and leaves. No problems found."
	case in:
		return "Mail arrives. No problems found; the way out was checked from inside only."
	case out:
		return "Mail leaves. No problems found; the way in was checked from inside only."
	}

	return "No problems found, as far as can be seen from inside."
}

// showed reports whether a check passed for some subject, and failed or warned for none. One that could not be made
// for another subject takes nothing away from what was seen.
func (s Site) showed(id string) bool {
	seen := false
	for _, c := range s.Report.Checks {
		switch {
		case c.ID != id || c.Status == plan.Skip:
		case c.Status != plan.Pass:
			return false
		default:
			seen = true
		}
	}

	return seen
}

func capitalize(s string) string {
	return strings.ToUpper(s[:min(1, len(s))]) +
		s[min(1, len(s)):]
}

// finding is a check with what follows from it.
type finding struct {
	plan.Check
	Says    string // what it is the cause of, in a few words
	Follows []plan.Check
}

// findings are the checks that did not pass, what others follow from first, each of the rest
// worst first. Advice and what could not be known come apart.
func findings(r plan.Report) (wrong, advice, unknown []finding) {
	checks := r.Checks
	told := map[int]bool{}
	for _, cause := range r.Causes {
		f := finding{Check: checks[cause.Check], Says: capitalize(cause.Says)}
		told[cause.Check] = true
		for _, i := range cause.Consequences {
			f.Follows = append(f.Follows, checks[i])
			told[i] = true
		}
		wrong = append(wrong, f)
	}

	for i, c := range checks {
		if told[i] {
			continue
		}

		switch {
		case c.Status == plan.Fail || needsAttention(c):
			wrong = append(wrong, finding{Check: c})
		case c.Ignored != nil: // the view has them apart
		case c.Status == plan.Warn:
			advice = append(advice, finding{Check: c})
		case c.Status == plan.Skip:
			unknown = append(unknown, finding{Check: c})
		}
	}

	slices.SortStableFunc(wrong, func(a, b finding) int {
		rank := func(f finding) int {
			if f.Follows != nil {
				return 0
			}
			return 1 + slices.Index([]plan.Status{plan.Fail, plan.Warn}, f.Status)
		}
		return rank(a) - rank(b)
	})

	return wrong, advice, unknown
}

// formatAgo writes how long something is over, or is still to come, as people say it.
func formatAgo(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return d.Round(time.Second).String()
	}
	return plan.FormatDuration(d)
}
