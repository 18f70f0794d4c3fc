package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/export"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

func driftCommand(a *app) *cobra.Command {
	var format formatFlag
	atOnce := fleet.AtOnce
	cmd := &cobra.Command{
		Use:   "drift [FILE|DIR]...",
		Short: "Report drift from the config, for a scheduler",
		Long: `Plans and verifies, writes nothing, and prints one line for each difference and failed
check; nothing when all is well. For several sites, each FILE or *.yaml in a DIR, every
line begins with the site, and --json prints one document for each.

Exit code: 0 when all is well, 2 when something differs or a check fails, 1 when the state
of a site is unknown.`,
		Example: `  mailpub drift
  mailpub drift --json
  mailpub drift --format junit sites >drift.xml
  mailpub drift /etc/mailpub/sites
  0 * * * *  mailpub -c /etc/mailpub/office.yaml drift     in a crontab: mail when it breaks`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files := []string{a.ui.ConfigFile}
			if len(args) > 0 {
				var err error
				if files, err = fleet.Files(args); err != nil {
					return err
				}
				if len(files) == 0 {
					return fleet.ErrNoSites
				}
			}

			return drift(cmd.Context(), a, files, atOnce, len(args) > 0, format)
		},
	}

	format.add(cmd)
	addAtOnce(cmd, &atOnce)
	return cmd
}

// drift looks at some sites, prints what each is not as it should be in, and fails where that is
// anything. Errors name their file where named is set.
func drift(ctx context.Context, a *app, files []string, atOnce int, named bool, format formatFlag) (err error) {
	if err := format.use(a); err != nil {
		return err
	}

	var results []export.Result
	fleet.Drift(ctx, files, atOnce, a.site(), func(r fleet.DriftResult) {
		results = append(results, driftResult(r))
		differs := false
		failed := r.Err

		switch {
		case failed != nil:
		case format.exports():
			differs = r.Drift.Report.Differs()
		default:
			differs, failed = showDrift(a.ui, r.Drift.Report, len(files) > 1)
		}

		if failed == nil && !differs && len(r.Drift.Failed) > 0 {
			failed = r.Drift.Failed[0]
		}

		if failed == nil && !differs {
			failed = plan.Unread(r.Drift.Report.Changes)
		}

		switch {
		case failed != nil:
			if named {
				failed = fmt.Errorf("%s: %w", r.File, failed)
			}
			a.printErrorOf(r.File, failed)
			err = errReported
		case differs && err == nil:
			err = errDifference
		}
	})

	if format.exports() && ctx.Err() == nil {
		return cmp.Or(format.write(a, "drift", results...), err)
	}

	return err
}

// driftResult is what drift found for a document.
func driftResult(r fleet.DriftResult) export.Result {
	if r.Err != nil {
		return failed(r.File, r.Err)
	}

	out := export.Result{
		Site:   r.Drift.Report.Site,
		File:   r.File,
		Report: &r.Drift.Report,
		Line:   r.Config.LineOf,
	}

	for _, f := range r.Drift.Failed {
		out.Errors = append(out.Errors, f)
	}

	return out
}

// showDrift prints what is not as it should be, and reports whether that is anything.
func showDrift(u *term.UI, r plan.Report, several bool) (differs bool, err error) {
	differs = r.Differs()
	if u.JSON {
		return differs, u.PrintJSON(r)
	}

	prefix := ""
	if several {
		prefix = r.Site + ": "
	}

	term.ShowDrift(u, r, prefix)
	return differs, nil
}
