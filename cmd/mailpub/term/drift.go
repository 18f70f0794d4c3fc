package term

import (
	"fmt"

	"github.com/mailpub/mailpub/plan"
)

// ShowDrift prints one line for each thing that differs or fails. prefix begins each line.
func ShowDrift(u *UI, r plan.Report, prefix string) {
	for _, c := range r.Changes {
		if c.Unseen {
			continue
		}
		fmt.Fprintf(u.Out, "%s%s %s: %s (%s)\n", prefix, actionSign(u, c.Action),
			Clean(c.Key.String()), Clean(c.Reason), Clean(c.Target.String()))
	}

	for _, c := range r.Checks {
		if c.Status != plan.Fail && (c.Status != plan.Warn || c.Advice) {
			continue
		}

		because := ""
		if c.Cause != "" {
			because = " (because of " + c.Cause + ")"
		}

		fmt.Fprintf(u.Out, "%s%s %s: %s: got %s, want %s%s\n", prefix, statusMark(u, c.Status),
			c.ID, Clean(c.Subject.String()), Clean(c.Got), Clean(c.Want), because)
	}
}
