package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// applyFlags is what the command line says of apply.
type applyFlags struct {
	file           string // a saved plan; "" for none
	yes, adopt     bool
	cutover        bool
	wait, patience time.Duration
	scope          scopeFlags
}

func applyCommand(a *app) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "Apply the planned changes in a safe order",
		Long: `Carries out the plan in a safe order: mail service, forwards, addresses, other records,
then MX, if the mail host answers on the LAN. It stops at the first error, records
completed changes in the ledger, and continues from there on the next run. A second
apply changes nothing.

After writing to DNS it queries every name server of the zone until all serve the new
records, for at most --wait.

With PLANFILE, as saved by "plan -o", it carries out exactly that plan, and refuses if
anything has changed since.

With --only and --exclude it carries out parts of the plan. The gates before MX still
apply: every wanted forward must be in the router.

With --cutover, for a change of the address or the MX of a live domain: it lowers the
TTL, waits until the old TTL has expired, makes the change, verifies it and restores
the TTL. If that takes longer than --patience, apply says when to run it again.

It takes over existing records and forwards only with your consent, at the prompt or
with --adopt; "mailpub destroy" restores them.

Exit code: 0 when all changes are done, else 1.`,
		Example: `  mailpub apply
  mailpub apply plan.json
  mailpub apply --yes --adopt      in a script`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"json"},
			cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.file = strings.Join(args, "")
			return apply(cmd.Context(), a, f)
		},
	}

	fl := cmd.Flags()
	f.scope.add(a, cmd)
	fl.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fl.BoolVar(&f.adopt, "adopt", false, "take over existing records and forwards")
	fl.BoolVar(&f.cutover, "cutover", false, "move live records without losing mail")
	fl.DurationVar(&f.patience, "patience", 10*time.Minute,
		"how long --cutover waits for the old TTL before it exits")

	fl.DurationVar(&f.wait, "wait", time.Minute,
		"how long to wait until all name servers agree; 0: do not ask them")

	return cmd
}

// apply carries out the plan of the config, or the one that was saved.
func apply(ctx context.Context, a *app, f applyFlags) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}

	consent := &term.Consent{UI: a.ui, Yes: f.yes, Adopt: f.adopt}
	o := a.site()
	if err := f.scope.set(&o); err != nil {
		return err
	}

	switch {
	case f.scope.narrows() && f.file != "":
		return errors.New("--only and --exclude belong to plan: a saved plan covers the parts it was made for")
	case f.scope.narrows() && f.cutover:
		return errors.New("--cutover makes related changes together; it cannot be combined with --only or --exclude")
	case f.cutover && f.file != "":
		return errors.New("--cutover uses the config, not a saved plan")
	case f.cutover:
		return cutover(ctx, a, cfg, f)
	}

	var saved *plan.Saved
	if f.file != "" {
		p, err := loadPlan(f.file, cfg.Site)
		if err != nil {
			return err
		}
		saved = &p
		consent.Yes = true
		o.Scope = site.ParseScope(p.Scope)
	}

	p, err := planAndApply(ctx, a, cfg, o, saved, consent)
	if err != nil && !errors.As(err, new(plan.UnreadError)) {
		return err
	}

	if f.wait > 0 { // the site is free for others meanwhile
		p.Site.WaitPropagated(ctx, p.Changes, f.wait)
	}

	return err
}

// planAndApply makes the plan, has it approved, and applies it, under the site's lock.
func planAndApply(ctx context.Context, a *app, cfg *config.Config, o site.Options, saved *plan.Saved, consent *term.Consent) (*site.Plan, error) {
	lock, err := site.NewLock(ctx, cfg, o)
	if err != nil {
		return nil, err
	}

	defer lock.Close()

	s, err := lock.Open(ctx)
	if err != nil {
		return nil, err
	}

	p, err := s.Plan(ctx)
	if err != nil {
		return nil, err
	}

	if saved != nil {
		if err := saved.Stale(p.Plan); err != nil {
			return nil, err
		}
	}

	held, err := p.WithoutCutover()
	if err != nil {
		return nil, err
	}

	if held > 0 {
		fmt.Fprintf(a.ui.Err, "a cutover is under way: %s left to mailpub%s apply --cutover\n",
			term.Count(held, "change"), a.ui.ConfigFlag())
	}

	adopt, err := consent.Approve(ctx, p)
	if err != nil {
		return p, err
	}
	if p, err = lock.MakeKeys(ctx, p); err != nil {
		return nil, err
	}

	return p, applyApproved(ctx, a.ui, p, adopt)
}

// approveAndApply asks about a plan where that is needed, and applies it.
func approveAndApply(ctx context.Context, u *term.UI, p *site.Plan, consent *term.Consent) error {
	adopt, err := consent.Approve(ctx, p)
	if err != nil {
		return err
	}
	return applyApproved(ctx, u, p, adopt)
}

func applyApproved(ctx context.Context, u *term.UI, p *site.Plan, adopt bool) error {
	if err := p.Site.Apply(ctx, p, adopt); err != nil {
		return err
	}

	if u.JSON {
		if err := u.PrintJSON(p.Plan); err != nil {
			return err
		}
	}

	return plan.Unread(p.Changes)
}

// cutover moves live records. With --json what it tells is progress, on standard error.
func cutover(ctx context.Context, a *app, cfg *config.Config, f applyFlags) error {
	u := *a.ui
	if u.JSON {
		u.JSON = false
		u.Out = u.Err
	}

	o := a.site()
	o.Event = u.Events()
	if err := makeKeys(ctx, cfg, o); err != nil {
		return err
	}

	left, err := site.Cutover(ctx, cfg, o, site.CutoverOptions{
		Consent:  &term.Consent{UI: &u, Yes: f.yes, Adopt: f.adopt},
		Wait:     f.wait,
		Patience: f.patience,
	})

	if err != nil || !a.ui.JSON {
		return err
	}

	status := "done"
	if left > 0 {
		status = "waiting"
	}

	return a.ui.PrintJSON(map[string]any{
		"format":  mail.CutoverFormat,
		"site":    cfg.Site,
		"status":  status,
		"seconds": int(left / time.Second),
	})
}
