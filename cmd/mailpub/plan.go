package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/export"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

func planCommand(a *app) *cobra.Command {
	var save string
	var detailed bool
	var scope scopeFlags
	var format formatFlag
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show planned changes",
		Long: `Reads the mail service, the router and the DNS zones, and shows the changes that apply
would make: + add, ~ change, - remove, ! manual step, ? not readable. It writes nothing.

With --only and --exclude it plans parts of the site and does not read the others: "plan
--only dns" works away from the LAN, as in CI. If the config sets the public address to
auto, the plan uses the address that mailpub published last, or that of --public.

Exit code: 0, or 1 when something could not be read. With --detailed-exitcode: 2 when
there are changes.`,
		Example: `  mailpub plan
  mailpub plan -o plan.json && mailpub apply plan.json
  mailpub plan --detailed-exitcode --json >plan.json
  mailpub plan --format markdown >comment.md      for a pull request
  mailpub plan --only dns --exclude zone:2.2.2.in-addr.arpa
  mailpub plan --only tcp/25,"nomeazienda.it. MX"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.use(a); err != nil {
				return err
			}

			p, err := makePlan(cmd.Context(), a, scope)
			if err != nil {
				return cmp.Or(format.failed(a, "plan", err), err)
			}

			if save != "" {
				if err := savePlan(save, p.Plan); err != nil {
					return err
				}
			}

			if format.exports() {
				err = format.write(a, "plan", planResult(a.ui.ConfigFile, p))
			} else {
				err = showPlan(a.ui, p, save)
			}

			if err != nil {
				return err
			}

			switch {
			case len(p.Failed) > 0:
				return p.Failed[0]
			case plan.Unread(p.Changes) != nil:
				return plan.Unread(p.Changes)
			case detailed && p.Differs():
				return errDifference
			}

			return nil
		},
	}

	cmd.Flags().StringVarP(&save, "out", "o", "", "also save the plan to `FILE`, for apply")
	scope.add(a, cmd)
	format.add(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false,
		"exit with 2 when there is a difference")

	return cmd
}

func makePlan(ctx context.Context, a *app, scope scopeFlags) (*site.Plan, error) {
	o := a.site()
	if err := scope.set(&o); err != nil {
		return nil, err
	}

	s, err := site.OpenFile(ctx, a.ui.ConfigFile, o)
	if err != nil {
		return nil, err
	}

	return s.Plan(ctx)
}

// planResult is a plan for a document.
func planResult(file string, p *site.Plan) export.Result {
	r := export.Result{
		Site: p.Plan.Site,
		File: file,
		Plan: p.Plan,
		Line: p.Site.Config().LineOf,
	}

	for _, f := range p.Failed {
		r.Errors = append(r.Errors, f)
	}

	return r
}

// showPlan prints a plan that was saved to a file, "" where it was not.
func showPlan(u *term.UI, p *site.Plan, saved string) error {
	if u.JSON {
		return u.PrintJSON(p.Plan)
	}

	term.ShowPlan(u, p)
	moving, err := site.CutoverUnderWay(p.Site.Config())
	if err != nil {
		return err
	}

	term.ShowMoves(u, p.Changes, moving != nil)
	if saved != "" {
		fmt.Fprintf(u.Out, "Saved; carry out exactly this with: mailpub%s apply %s\n",
			u.ConfigFlag(), saved)
	}

	return nil
}

func savePlan(path string, p *plan.Plan) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("plan was not saved: %w", err)
	}

	return nil
}

// loadPlan reads a saved plan and makes sure that it is of this site.
func loadPlan(path, name string) (plan.Saved, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return plan.Saved{}, fmt.Errorf("saved plan: %w", err)
	}

	saved, err := plan.DecodeSaved(data)
	if err != nil {
		return plan.Saved{}, fmt.Errorf("saved plan %s: %w", path, err)
	}
	if saved.Site != name {
		return plan.Saved{}, fmt.Errorf("saved plan %s is for site %q, the config is for %q",
			path, saved.Site, name)
	}

	return saved, nil
}
