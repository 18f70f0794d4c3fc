package term

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// ShowLedger lists what a ledger has, a line each.
func ShowLedger(u *UI, l *plan.Ledger) error {
	if l.Len() == 0 {
		fmt.Fprintln(u.Text(), "The ledger is empty.")
		return nil
	}

	t := NewTable(u.Text())
	for _, e := range l.Entries() {
		note := ""
		switch {
		case e.Removing:
			note = "a removal was interrupted"
		case e.Pending != nil:
			note = "a write was interrupted"
		case e.Prior != nil:
			note = "taken over"
		}

		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Target, Clean(e.Key.Name),
			Clean(strings.Join(e.Text, ", ")), note)
	}

	return t.Flush()
}

// ShowEntry prints all that a ledger has of one thing.
func ShowEntry(u *UI, e plan.Entry) {
	w := u.Text()
	fmt.Fprintf(w, "%s\n", u.Bold(Clean(e.Key.Name)))
	line := func(name string, text []string) {
		if text != nil {
			fmt.Fprintf(w, "  %-9s %s\n", name, Clean(strings.Join(text, ", ")))
		}
	}

	line("kind", []string{e.Key.Kind})
	line("of", []string{e.Target.String()})
	line("text", e.Text)
	line("pending", e.Pending)
	line("before", e.Prior)

	if e.Removing {
		line("removal", []string{"was interrupted"})
	}

	if g := e.Grant; g != nil && g.Lifetime > 0 {
		line("lease", []string{fmt.Sprintf("%s, until %s", plan.FormatDuration(g.Lifetime),
			g.Expires().Format(time.RFC3339))})
	}
}
