package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan"
)

func (a *app) driftCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drift",
		Short: "tell a scheduler whether all is still as it should be",
		Long: `Plans and verifies, writes nothing, and prints only what is no longer as it should be:
one line each, nothing when all is well.

Exit code: 0 when all is well, 2 when something differs or a check fails, 1 when it
could not be found out.`,
		Example: `  mailpub drift
  mailpub drift --json
  0 * * * *  mailpub -c /etc/mailpub/office.yaml drift     in a crontab: mail when it breaks`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, l, err := a.site()
			if err != nil {
				return err
			}
			w, p, err := a.plan(cmd.Context(), cfg, l)
			if err != nil {
				return err
			}
			checks := w.check(cmd.Context(), nil)
			found := a.report(cmd.Context(), plan.Report{Site: cfg.Site, Checks: checks, Changes: p.Changes, Drift: true}, true)
			if len(p.Failed) > 0 && found == nil {
				return p.Failed[0]
			}
			return found
		},
	}
}

// showDrift prints one line for each thing that differs or fails.
func (a *app) showDrift(r plan.Report) {
	for _, c := range r.Changes {
		if c.Unseen {
			continue
		}
		fmt.Fprintf(a.out, "%s %s: %s (%s)\n", a.sign(c.Action), clean(c.Key.String()), clean(c.Reason), clean(c.Party))
	}
	for _, c := range r.Checks {
		if c.Status != plan.Fail && (c.Status != plan.Warn || c.Advice) {
			continue
		}
		because := ""
		if c.Cause != "" {
			because = " (because of " + c.Cause + ")"
		}
		fmt.Fprintf(a.out, "%s %s: %s: got %s, want %s%s\n", a.mark(c.Status), c.ID, clean(c.Subject), clean(c.Got), clean(c.Want), because)
	}
}
