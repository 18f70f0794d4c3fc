package export

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mailpub/mailpub/plan"
)

// longest is how long a document in Markdown gets: GitHub takes comments of 65,536 characters.
const longest = 60_000

// writeMarkdown writes a document for the comment of a pull request. A first line that is not shown tells a
// script which comment to replace.
func writeMarkdown(w io.Writer, d Document) error {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- mailpub %s -->\n", d.Command)
	for _, r := range d.Results {
		fmt.Fprintf(&b, "## mailpub %s: %s\n\n", d.Command, cell(r.name()))
		r.markdownErrors(&b)
		r.markdownChanges(&b)
		r.markdownChecks(&b)
	}

	fmt.Fprintf(&b, "<sub>mailpub %s</sub>\n", cell(d.Version))
	_, err := io.WriteString(w, shorten(b.String()))
	return err
}

// shorten cuts a text that is too long at the end of a line, and says so.
func shorten(text string) string {
	if len(text) <= longest {
		return text
	}
	cut := strings.LastIndexByte(text[:longest], '\n') + 1
	open := strings.Count(text[:cut], "<details>") - strings.Count(text[:cut], "</details>")
	return text[:cut] + strings.Repeat("\n</details>\n", max(open, 0)) +
		"\n**Cut off here: the rest does not fit into a comment.** Run the command without `--format` to see all of it.\n"
}

func (r Result) markdownErrors(b *strings.Builder) {
	list := r.errors()
	if len(list) == 0 {
		return
	}

	b.WriteString("> [!CAUTION]\n> Not everything could be read, so what follows is incomplete:\n>\n")
	for _, m := range list {
		where := cell(m.File)
		if m.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, m.Line)
		}
		fmt.Fprintf(b, "> - %s: %s\n", where, cell(m.Text))
	}

	b.WriteString("\n")
}

func (r Result) markdownChanges(b *strings.Builder) {
	changes := r.changes()
	switch {
	case r.Plan != nil:
		fmt.Fprintf(b, "**%s.**\n\n", cmp.Or(r.Plan.Summary().String(), "nothing is managed"))
		if len(r.Plan.Scope) > 0 {
			fmt.Fprintf(b, "Only a part of the site was planned: %s.\n\n",
				cell(strings.Join(r.Plan.Scope, ", ")))
		}
	case r.Report != nil && r.Report.Drift && len(changes) == 0 && len(r.errors()) == 0:
		b.WriteString("**No changes.**\n\n")
	case len(changes) > 0:
		fmt.Fprintf(b, "**%s.**\n\n", (&plan.Plan{Changes: changes}).Summary())
	}

	if len(changes) == 0 {
		return
	}

	b.WriteString("| | where | what | now | planned | why |\n|---|---|---|---|---|---|\n")
	for _, c := range changes {
		before := code(c.Before)
		after := code(c.After)
		if c.Action == plan.Unreadable {
			before, after = "not known", "not known"
		}

		why := cell(c.Reason)
		if c.Adopt {
			why += " **Not mailpub's: needs `--adopt`.**"
		}

		fmt.Fprintf(b, "| %s %s | %s | %s | %s | %s | %s |\n", sign(c.Action), verb(c.Action),
			cell(c.Target.String()), code([]string{c.Key.Name}), before, after, why)
	}

	b.WriteString("\n")
	if r.Plan == nil {
		return
	}

	for _, e := range r.Plan.Effects {
		fmt.Fprintf(b, "- **Effect** (%s): %s\n", cell(e.Target.String()), cell(e.Text))
	}

	if len(r.Plan.Effects) > 0 {
		b.WriteString("\n")
	}
}

// sign marks an action in a table, where colours are missing.
func sign(a plan.Action) string {
	return map[plan.Action]string{
		plan.Create:     "🟢",
		plan.Update:     "🟡",
		plan.Delete:     "🔴",
		plan.Manual:     "✋",
		plan.Unreadable: "❔",
	}[a]
}

func (r Result) markdownChecks(b *strings.Builder) {
	checks := r.checks()
	if r.Report == nil {
		return
	}

	t := plan.Count(checks)
	fmt.Fprintf(b, "**%d passed, %d failed, %d warned, %d skipped, %d not used, %d ignored.**\n\n",
		t.Pass-t.Unused, t.Fail, t.Warn-t.Ignored, t.Skip, t.Unused, t.Ignored)

	for _, cause := range r.Report.Causes {
		fmt.Fprintf(b, "- Cause: **%s** (%s, %d more findings follow from it)\n",
			cell(cause.Says), code([]string{checks[cause.Check].ID}), len(cause.Consequences))
	}

	if len(r.Report.Causes) > 0 {
		b.WriteString("\n")
	}

	table := func(title string, folded bool, wanted func(plan.Check) bool) {
		var rows strings.Builder
		n := 0
		for _, c := range checks {
			if !wanted(c) {
				continue
			}

			n++
			todo := cell(c.Hint)
			if c.Ignored != nil {
				todo = fmt.Sprintf("ignored until %s: %s", cell(c.Ignored.Until),
					cell(c.Ignored.Why))
			}

			fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", code([]string{c.ID}),
				cell(c.Subject.String()), cell(c.Got), cell(c.Want), todo)
		}

		if n == 0 {
			return
		}

		if folded {
			fmt.Fprintf(b, "<details>\n<summary>%s (%d)</summary>\n\n", title, n)
		} else {
			fmt.Fprintf(b, "### %s\n\n", title)
		}

		b.WriteString("| check | subject | found | wanted | what to do |\n|---|---|---|---|---|\n" +
			rows.String() + "\n")

		if folded {
			b.WriteString("</details>\n\n")
		}
	}

	table("🔴 Failed", false, func(c plan.Check) bool { return c.Status == plan.Fail })
	table("🟡 Warnings", false, func(c plan.Check) bool {
		return c.Status == plan.Warn && !c.Advice
	})

	table("Advice", true, func(c plan.Check) bool {
		return c.Status == plan.Warn && c.Advice && c.Ignored == nil
	})

	table("Ignored", true, func(c plan.Check) bool { return c.Ignored != nil })
	table("Skipped: not known from here", true, func(c plan.Check) bool {
		return c.Status == plan.Skip
	})
}

// cell makes text from outside plain text of Markdown that stays in one cell of a table.
func cell(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r):
			b.WriteByte('?')
		case strings.ContainsRune("\\`*_{}[]<>#|~$@&", r):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}

	return b.String()
}

// code makes lines code, one below the other in a cell. Within <code> GitHub takes entities and no Markdown.
func code(lines []string) string {
	var out []string
	for _, line := range lines {
		if len(line) > 200 {
			line = line[:150] + "..." + line[len(line)-40:]
		}
		out = append(out, "<code>"+cell(strings.ToValidUTF8(line, "?"))+"</code>")
	}

	return strings.Join(out, "<br>")
}
