package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan"
)

func (a *app) driftCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drift [FILE|DIR]...",
		Short: "tell a scheduler whether all is still as it should be",
		Long: `Plans and verifies, writes nothing, and prints only what is no longer as it should be:
one line each, nothing when all is well. Of several sites, each FILE or *.yaml in a DIR, every
line begins with its site, and with --json there is a document for each.

Exit code: 0 when all is well, 2 when something differs or a check fails, 1 when it
could not be found out of every site.`,
		Example: `  mailpub drift
  mailpub drift --json
  mailpub drift /etc/mailpub/sites
  0 * * * *  mailpub -c /etc/mailpub/office.yaml drift     in a crontab: mail when it breaks`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.drift(cmd.Context())
			}
			files, err := siteFiles(args)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return errNoSites
			}
			return a.driftOf(cmd.Context(), files)
		},
	}
}

// driftOf looks at several sites. One that can't be looked at keeps nobody from the others: what is
// wrong with it is said, and the last of these errors is returned.
func (a *app) driftOf(ctx context.Context, files []string) (failed error) {
	var found error
	var of string // the file that failed
	a.manySites = len(files) > 1
	for _, file := range files {
		a.configFile = file
		err := a.drift(ctx)
		if err == nil {
			continue
		}
		if errors.Is(err, differs{}) {
			found = err
			continue
		}
		if failed != nil {
			a.configFile = of
			a.complain(failed)
		}
		failed, of = fmt.Errorf("%s: %w", file, err), file
	}
	if failed != nil {
		a.configFile = of
		return failed
	}
	return found
}

// drift looks at the site of the config file.
func (a *app) drift(ctx context.Context) error {
	cfg, l, err := a.site()
	if err != nil {
		return err
	}
	w, p, err := a.plan(ctx, cfg, l)
	if err != nil {
		return err
	}
	checks := w.check(ctx, nil)
	found := a.report(ctx, plan.Report{Site: cfg.Site, Checks: checks, Changes: p.Changes, Drift: true}, true)
	if len(p.Failed) > 0 && found == nil {
		return p.Failed[0]
	}
	return found
}

// showDrift prints one line for each thing that differs or fails.
func (a *app) showDrift(r plan.Report) {
	site := ""
	if a.manySites {
		site = r.Site + ": "
	}
	for _, c := range r.Changes {
		if c.Unseen {
			continue
		}
		fmt.Fprintf(a.out, "%s%s %s: %s (%s)\n", site, a.sign(c.Action), clean(c.Key.String()), clean(c.Reason), clean(c.Target.String()))
	}
	for _, c := range r.Checks {
		if c.Status != plan.Fail && (c.Status != plan.Warn || c.Advice) {
			continue
		}
		because := ""
		if c.Cause != "" {
			because = " (because of " + c.Cause + ")"
		}
		fmt.Fprintf(a.out, "%s%s %s: %s: got %s, want %s%s\n", site, a.mark(c.Status), c.ID, clean(c.Subject), clean(c.Got), clean(c.Want), because)
	}
}
