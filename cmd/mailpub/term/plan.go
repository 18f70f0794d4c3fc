package term

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// ShowPlan prints a plan: a group for each party, manual steps last, and the sum.
func ShowPlan(u *UI, p *site.Plan) {
	w := u.Text()
	fmt.Fprintf(w, "%s\n\n", u.hang(Headline(p.Site), 2))
	about := map[plan.Target]string{}
	var order []plan.Target

	for _, party := range p.Parties {
		about[party.Target] = Clean(party.About)
		order = append(order, party.Target)
	}

	showGroups(u, w, p.Plan, order, about)
	showTotals(u, w, p.Plan)
}

// ShowSaved prints a plan as it was saved.
func ShowSaved(u *UI, saved plan.Saved) {
	w := u.Text()
	fmt.Fprintf(w, "%s, saved plan\n\n", saved.Site)
	p := &plan.Plan{
		Site:      saved.Site,
		Scope:     saved.Scope,
		Changes:   saved.Changes,
		Unchanged: saved.Unchanged,
		Effects:   saved.Effects,
	}

	showGroups(u, w, p, nil, map[plan.Target]string{})
	showTotals(u, w, p)
}

func showTotals(u *UI, w io.Writer, p *plan.Plan) {
	fmt.Fprintln(w, Totals(u, p))
	if len(p.Scope) > 0 {
		fmt.Fprintf(w, "Limited to %s; the rest of the site is not included.\n",
			scopeText(p.Scope))
	}
}

// showGroups prints the changes of a plan by their targets: those of order first, what is to be done by hand last.
func showGroups(u *UI, w io.Writer, p *plan.Plan, order []plan.Target, about map[plan.Target]string) {
	byHand := plan.Target{Kind: "manual steps"} // manual steps, of all parties
	groups := map[plan.Target][]plan.Change{}
	for _, c := range p.Changes {
		t := c.Target
		if c.Action == plan.Manual {
			t = byHand
		}
		groups[t] = append(groups[t], c)
	}

	for _, c := range p.Changes { // parties that left the config
		if _, known := about[c.Target]; !known {
			about[c.Target] = ""
			order = append(order, c.Target)
		}
	}

	for _, t := range append(order, byHand) {
		if len(groups[t]) == 0 {
			continue
		}

		name := t.String()
		title := u.Bold(name)
		if about[t] != "" {
			title += "  " + u.Dim(u.Wrap(about[t], len(name)+2))
		}

		fmt.Fprintln(w, title)
		ShowChanges(u, groups[t])
		showEffects(u, p.Effects, t)
		fmt.Fprintln(w)
	}
}

// ShowMoves names the live records that a plan moves to another place, and the way to move them without losing
// mail; underWay says that such a move has begun.
func ShowMoves(u *UI, changes []plan.Change, underWay bool) {
	command := "mailpub" + u.ConfigFlag() + " apply --cutover"
	if underWay {
		fmt.Fprintf(u.Text(), "A cutover is under way; continue it with: %s\n", command)
		return
	}

	movers := mail.MovingChanges(changes)
	if len(movers) == 0 {
		return
	}

	var names []string
	longest := 0
	for _, c := range movers {
		names = append(names, Clean(c.Key.Name))
		for _, line := range c.Before {
			_, ttl := mail.SplitRecordLine(line)
			longest = max(longest, ttl)
		}
	}

	text := fmt.Sprintf("This moves live records: %s. Resolvers may return the old data for up to %s. To move without losing mail: %s",
		strings.Join(names, ", "), plan.FormatDuration(time.Duration(longest)*time.Second),
		command)

	fmt.Fprintln(u.Text(), u.Wrap(text, 0))
}

// scopeText says of which parts a plan is.
func scopeText(words []string) string {
	var only, without []string
	for _, word := range words {
		if rest, excluded := strings.CutPrefix(word, "-"); excluded {
			without = append(without, rest)
			continue
		}
		only = append(only, word)
	}

	text := "all"
	if only != nil {
		text = strings.Join(only, ", ")
	}

	if without != nil {
		text += " but " + strings.Join(without, ", ")
	}

	return text
}

// showEffects says what the changes of a target mean for those who use it.
func showEffects(u *UI, all []plan.Effect, t plan.Target) {
	for _, e := range all {
		if e.Target == t {
			fmt.Fprintf(u.Text(), "  %s %s\n", u.Yellow("effect:"), u.Wrap(Clean(e.Text), 10))
		}
	}
}

// Headline says in one line which site this is.
func Headline(s *site.Site) string {
	cfg := s.Config()
	var addresses []string
	for _, a := range s.PublicAddresses() {
		text := a.Addr.String()
		if a.Sources != "" {
			text += " (" + Clean(a.Sources) + ")"
		}
		addresses = append(addresses, text)
	}

	public := "no public address known"
	if len(addresses) > 0 {
		public = "public address " + strings.Join(addresses, ", ")
	}

	return fmt.Sprintf("%s: %s at %s, %s", cfg.Site, cfg.Server.Hostname, cfg.Server.Address,
		public)
}

// Totals says in one line what a plan comes to.
func Totals(u *UI, p *plan.Plan) string {
	s := p.Summary()
	taken := ""
	if n := p.AdoptedCount(); n > 0 {
		taken = fmt.Sprintf(" Apply adds %d of them to the ledger.", n)
	}

	switch {
	case p.Differs() || s.Manual+s.Unreadable > 0:
	case s.Unchanged == 0:
		return u.Green("No changes: the ledger is empty.")
	default:
		return u.Green(fmt.Sprintf("No changes: %d items up to date.", s.Unchanged)) + taken
	}

	return u.Bold("Plan: ") + s.String() + "." + taken
}
