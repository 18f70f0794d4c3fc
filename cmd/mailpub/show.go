package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// printJSON prints v, indented, with a final newline.
func printJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", data)
	return err
}

// showPlan prints a plan for people: a group for each party, what is to be done by hand
// last, and the sum.
func (a *app) showPlan(w io.Writer, p *plan.Plan, world *world) {
	fmt.Fprintf(w, "%s\n\n", world.headline())
	byHand := plan.Target{Kind: "by hand"} // what only a person can do, of all targets
	groups := map[plan.Target][]plan.Change{}
	for _, c := range p.Changes {
		t := c.Target
		if c.Action == plan.Manual {
			t = byHand
		}
		groups[t] = append(groups[t], c)
	}
	order := world.targets()
	known := make(map[plan.Target]bool, len(order))
	for _, t := range order {
		known[t] = true
	}
	for _, c := range p.Changes { // parties that left the config
		if !known[c.Target] {
			known[c.Target] = true
			order = append(order, c.Target)
		}
	}
	for _, t := range append(order, byHand) {
		if len(groups[t]) == 0 {
			continue
		}
		title := a.look.bold(t.String())
		if about := world.about(t); about != "" {
			title += "  " + a.look.dim(a.look.wrap(about, len(t.String())+2))
		}
		fmt.Fprintln(w, title)
		a.showChanges(w, groups[t])
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, a.sum(p))
}

// columns of the lists that are printed, and the width that a name or text has at most
// before it pushes what follows.
const (
	lineWidth = 100
	nameWidth = 40
	textWidth = 34
)

// showChanges prints changes, a line each: sign, name, text, reason. A reason that does
// not fit goes on a line of its own, and one that several have in common is said once.
func (a *app) showChanges(w io.Writer, changes []plan.Change) {
	name, text := 0, 0
	for _, c := range changes {
		name = max(name, min(len(c.Key.Name), nameWidth))
		text = max(text, min(len(textOf(c)), textWidth))
	}
	reason := ""
	for _, c := range changes {
		line, why := a.changeLine(c, name, text), clean(c.Reason)
		if why == reason {
			why = ""
		}
		reason = clean(c.Reason)
		used := 4 + max(name, len(c.Key.Name)) + 2 + max(text, len(textOf(c))) + 2
		if why != "" && used+len(why) <= lineWidth {
			line += "  " + a.look.dim(why)
			why = ""
		}
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
		note := func(style func(string) string, text string) {
			if text != "" {
				fmt.Fprintf(w, "      %s\n", style(a.look.wrap(clean(text), 6)))
			}
		}
		if c.Before != nil && (c.Action == plan.Update || c.Action == plan.Manual) && !c.Renew {
			note(a.look.dim, "now "+strings.Join(c.Before, ", "))
		}
		note(a.look.dim, why)
		if c.Adopt {
			note(a.look.yellow, "not mailpub's: apply takes it over only with your consent (--adopt)")
		}
	}
}

// changeLine is a change on one line: its sign, its name and what it becomes.
func (a *app) changeLine(c plan.Change, name, text int) string {
	return fmt.Sprintf("%s %s  %s", a.sign(c.Action), pad(clean(c.Key.Name), name), pad(textOf(c), text))
}

// longText is the length from which a text is shown without its middle: nobody reads a key.
const longText = 160

// textOf is what a change puts in place, or takes away, as it is shown. What a person has to
// enter is shown whole.
func textOf(c plan.Change) string {
	text := wholeText(c)
	if len(text) > longText && c.Action != plan.Manual {
		text = text[:60] + "..." + text[len(text)-30:]
	}
	return text
}

func wholeText(c plan.Change) string {
	switch {
	case c.Action == plan.Delete:
		return clean(strings.Join(c.Before, ", "))
	case c.Action == plan.Unreadable:
		return "not known"
	case c.Renew:
		return clean(strings.Join(c.After, ", ")) + "  renew"
	}
	return clean(strings.Join(c.After, ", "))
}

func (a *app) sign(action plan.Action) string {
	switch action {
	case plan.Create:
		return a.look.green(action.Sign())
	case plan.Update:
		return a.look.yellow(action.Sign())
	case plan.Delete:
		return a.look.red(action.Sign())
	}
	return a.look.blue(action.Sign())
}

// sum says in one line what a plan comes to.
func (a *app) sum(p *plan.Plan) string {
	s := p.Summary()
	taken := ""
	if n := p.TakesUp(); n > 0 {
		taken = fmt.Sprintf(" Apply takes %d of them into the ledger.", n)
	}
	switch {
	case p.Differs() || s.Manual+s.Unreadable > 0:
	case s.Unchanged == 0:
		return a.look.green("Nothing to do: nothing here is mailpub's.")
	default:
		return a.look.green(fmt.Sprintf("Nothing to do: all %d things are as wanted.", s.Unchanged)) + taken
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{s.Create, "to add"}, {s.Update, "to change"}, {s.Delete, "to remove"}, {s.Manual, "by hand"},
		{s.Unreadable, "not readable"}, {s.Unchanged, "as wanted"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return a.look.bold("Plan: ") + strings.Join(parts, ", ") + "." + taken
}

// wrap breaks text at spaces so that lines, indented by n, stay within the look's columns.
func (l look) wrap(text string, n int) string {
	var b strings.Builder
	column, width := n, cmp.Or(l.columns, widest)
	for i, word := range strings.Fields(text) {
		if column+1+len([]rune(word)) > width && i > 0 {
			b.WriteString("\n" + strings.Repeat(" ", n))
			column = n
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}
