package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
)

// lockWait is how long a command waits for another mailpub on the same site.
const lockWait = 10 * time.Second

// consent is what the administrator agreed to on the command line.
type consent struct{ yes, adopt bool }

func (c *consent) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&c.adopt, "adopt", false, "take over what mailpub did not put in place")
}

func (a *app) applyCommand() *cobra.Command {
	var ok consent
	var wait, patience time.Duration
	var cutover bool
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "bring about what the config wants",
		Long: `Carries out the plan in the safe order: mail service, forwards, addresses, other
records, and MX last, and that only when the mail host answers on the LAN. It stops at
the first error, keeps account of what is done, and goes on from there the next time. A
second apply does and writes nothing.

What was written to DNS is then asked of every name server of the zone, until all say it,
for as long as --wait.

With PLANFILE, as "plan -o" saved it, it carries out exactly that, and refuses when
anything has changed since.

With --cutover, where the address or the MX of a live domain changes: the TTL is lowered
first, and the change waits until the old one has run out everywhere; then it is proved,
and the TTL goes back up. Where that takes longer than --patience, apply says when to
come back.

What mailpub did not put in place is taken over only when you agree, at the prompt or
with --adopt; "mailpub destroy" puts it back.

Exit code: 0 when all is done, else 1.`,
		Example: `  mailpub apply
  mailpub apply plan.json
  mailpub apply --yes --adopt      in a script`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cutover && len(args) > 0 {
				return errors.New("--cutover goes by the config, not by a saved plan")
			}
			if cutover {
				if err := a.locked(cmd.Context(), cfg, func(plan.Lock, *plan.Ledger) error { return a.makeKeys(cfg) }); err != nil {
					return err
				}
				return a.cutover(cmd.Context(), cfg, ok, wait, patience)
			}
			var saved *plan.Saved
			if len(args) == 1 {
				s, err := loadPlan(args[0], cfg.Site)
				if err != nil {
					return err
				}
				saved, ok.yes = &s, true
			}
			var written []plan.Change
			var w *world
			err = a.locked(cmd.Context(), cfg, func(f plan.Lock, l *plan.Ledger) error {
				if saved == nil { // a saved plan is carried out to the letter
					if err := a.makeKeys(cfg); err != nil {
						return err
					}
				}
				var p *plan.Plan
				if w, p, err = a.plan(cmd.Context(), cfg, l); err != nil {
					return err
				}
				if saved != nil {
					if err := saved.Stale(p); err != nil {
						return err
					}
				}
				if err := a.withoutMoving(cfg, p); err != nil {
					return err
				}
				written = p.Changes
				return a.carryOut(cmd.Context(), w, p, f, ok)
			})
			if err == nil && wait > 0 { // the site is free for others meanwhile
				a.settle(cmd.Context(), w, written, wait)
			}
			return err
		},
	}
	ok.flags(cmd)
	cmd.Flags().BoolVar(&cutover, "cutover", false, "move live records without losing mail")
	cmd.Flags().DurationVar(&patience, "patience", 10*time.Minute, "how long --cutover waits itself for the old TTL")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait until all name servers agree; 0: do not ask them")
	return cmd
}

// locked runs f while no other mailpub works on the site.
func (a *app) locked(ctx context.Context, cfg *config.Config, f func(plan.Lock, *plan.Ledger) error) error {
	backend := ledger.Files{Dir: stateDir(cfg), Site: cfg.Site}
	lock, err := backend.Lock(ctx, 0)
	if errors.Is(err, plan.ErrLocked) {
		fmt.Fprintf(a.err, "waiting up to %v: %v\n", lockWait, err)
		lock, err = backend.Lock(ctx, lockWait)
	}
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return f(lock, lock.Ledger())
}

// carryOut shows a plan, asks, and applies it.
func (a *app) carryOut(ctx context.Context, w *world, p *plan.Plan, f plan.Lock, ok consent) error {
	out := a.out
	if a.json {
		out = a.err
	}
	if !ok.yes && p.Writes() > 0 || len(p.Failed) > 0 || len(p.Adoptions()) > 0 && !ok.adopt {
		a.showPlan(out, p, w)
	}
	if len(p.Failed) > 0 {
		return p.Failed[0]
	}
	if p.Writes() > 0 {
		if err := a.ask(ctx, p, &ok); err != nil {
			return err
		}
	}
	progress := a.progress(out, p.Changes)
	err := plan.Apply(ctx, p, w.parties, w.ledger, f, plan.Options{Gates: w.gates(p), Adopt: ok.adopt, Progress: progress.tell})
	progress.end()
	if errors.Is(err, nat.ErrDoubleNAT) && errors.Is(w.wanErr, nat.ErrDoubleNAT) && !errors.As(err, new(plan.GateError)) {
		err = fmt.Errorf("%w; %w", err, w.bothAddresses())
	}
	if err != nil {
		return a.interrupted(ctx, err, progress)
	}
	a.finish(out, p, progress)
	a.leftForYou(out, p)
	if a.json {
		return printJSON(a.out, p)
	}
	return nil
}

// interrupted adds how far it came. When somebody stopped it, what the network said of
// that is of no interest.
func (a *app) interrupted(ctx context.Context, err error, pr *progress) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %s: %w", count(pr.done, "change"), ctx.Err())
	}
	if errors.Is(err, plan.ErrConsent) || pr.of == 0 {
		return err
	}
	return fmt.Errorf("stopped after %d of %s: %w", pr.done, count(pr.of, "change"), err)
}

func (a *app) finish(out io.Writer, p *plan.Plan, pr *progress) {
	switch {
	case pr.done > 0:
		fmt.Fprintf(out, "%s %s.\n", a.look.green("Done:"), count(pr.done, "change"))
	case len(p.Changes) == 0 && p.TakesUp() > 0:
		fmt.Fprintf(out, "Nothing to write; %s taken into the ledger.\n", count(p.TakesUp(), "thing"))
	case len(p.Changes) == 0:
		fmt.Fprintln(out, a.sum(p))
	default:
		fmt.Fprintln(out, "Nothing that mailpub can do.")
	}
}

// leftForYou shows what only a person can do.
func (a *app) leftForYou(out io.Writer, p *plan.Plan) {
	var left []plan.Change
	for _, c := range p.Changes {
		if !c.Writes() {
			left = append(left, c)
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(out, "\n%s\n", a.look.bold("left for you"))
		a.showChanges(out, left)
	}
}

// ask gets the administrator's word for the plan and, apart, for what it takes over.
func (a *app) ask(ctx context.Context, p *plan.Plan, ok *consent) error {
	if !ok.yes {
		if err := a.confirm(ctx, fmt.Sprintf("Carry out %s?", count(p.Writes(), "change"))); err != nil {
			return err
		}
	}
	n := len(p.Adoptions())
	if n == 0 || ok.adopt || ok.yes {
		return nil
	}
	if err := a.confirm(ctx, fmt.Sprintf("%d of them take over what mailpub did not put in place. Take over?", n)); err != nil {
		return err
	}
	ok.adopt = true
	return nil
}
