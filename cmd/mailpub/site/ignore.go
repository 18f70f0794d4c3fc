package site

import (
	"time"

	"github.com/mailpub/mailpub/plan"
)

// ignore marks the findings that the config ignores until a day: they are no failures and no drift until then.
// Once the day is over they are what they are, and their hint says so.
func (s *Site) ignore(checks []plan.Check, now time.Time) []plan.Check {
	for i, c := range checks {
		if c.Status != plan.Fail && c.Status != plan.Warn {
			continue
		}

		for _, ig := range s.cfg.Ignore {
			if !ig.Matches(c) {
				continue
			}

			if ig.Ended(now) {
				checks[i].Hint = c.Hint + "; it was ignored until " + ig.Until
				continue
			}

			checks[i].Ignored = &plan.Ignored{Until: ig.Until, Why: ig.Why, Status: c.Status}
			checks[i].Status = plan.Warn
			checks[i].Advice = true
			break
		}
	}

	return checks
}
