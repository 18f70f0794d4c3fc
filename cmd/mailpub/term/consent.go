package term

import (
	"context"
	"fmt"
	"io"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
)

// Consent is what the administrator agreed to, by flags and by answers. It implements site.Consent.
type Consent struct {
	UI    *UI
	Yes   bool // carry out the plan
	Adopt bool // take over existing records and forwards
}

// Confirm implements site.Consent.
func (c *Consent) Confirm(ctx context.Context, p *site.Plan) (adopt bool, err error) {
	if c.Yes {
		return c.Adopt, nil
	}
	ShowPlan(c.UI, p)
	err = c.ask(ctx, p)
	return c.Adopt, err
}

// Approve implements site.Consent: it shows the plan where there is something to decide, and asks.
func (c *Consent) Approve(ctx context.Context, p *site.Plan) (adopt bool, err error) {
	if !c.Yes && p.Writes() > 0 || len(p.Failed) > 0 || len(p.Takeovers()) > 0 && !c.Adopt {
		ShowPlan(c.UI, p)
		ShowMoves(c.UI, p.Changes, false)
	}

	if len(p.Failed) > 0 {
		return false, p.Failed[0]
	}

	if p.Writes() > 0 {
		err = c.ask(ctx, p)
	}

	return c.Adopt, err
}

// ask asks about the plan and, apart, about what it takes over. What was agreed to holds from then on.
func (c *Consent) ask(ctx context.Context, p *site.Plan) error {
	if c.Yes {
		return nil
	}
	if err := c.UI.Confirm(ctx, fmt.Sprintf("Carry out %s?",
		Count(p.Writes(), "change"))); err != nil {
		return err
	}

	if n := len(p.Takeovers()); n > 0 && !c.Adopt {
		if err := c.UI.Confirm(ctx, fmt.Sprintf("%d of them take over existing records or forwards. Take over?",
			n)); err != nil {
			return err
		}
		c.Adopt = true
	}

	c.Yes = true
	return nil
}

// showApplied says what a plan that was carried out came to, and what is left to do by hand.
func showApplied(u *UI, p *plan.Plan, done int) {
	out := u.Text()
	switch {
	case done > 0 && plan.Unread(p.Changes) != nil:
		fmt.Fprintf(out, "%s %s.\n", u.Yellow("Some changes were not made:"),
			Count(done, "change"))
	case done > 0:
		fmt.Fprintf(out, "%s %s.\n", u.Green("Done:"), Count(done, "change"))
	case len(p.Changes) == 0 && p.AdoptedCount() > 0:
		fmt.Fprintf(out, "Nothing to write; %s added to the ledger.\n",
			Count(p.AdoptedCount(), "thing"))
	case len(p.Changes) == 0:
		fmt.Fprintln(out, Totals(u, p))
	default:
		fmt.Fprintln(out, "No changes that mailpub can make.")
	}

	if len(p.Scope) > 0 {
		fmt.Fprintf(out, "Limited to %s; the rest of the site is not included.\n",
			scopeText(p.Scope))
	}

	showManualSteps(u, out, p)
}

func showManualSteps(u *UI, out io.Writer, p *plan.Plan) {
	var left []plan.Change
	for _, c := range p.Changes {
		if !c.Writes() {
			left = append(left, c)
		}
	}

	if len(left) > 0 {
		fmt.Fprintf(out, "\n%s\n", u.Bold("left for you"))
		ShowChanges(u, left)
	}
}
