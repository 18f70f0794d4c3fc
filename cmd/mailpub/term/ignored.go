package term

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// ShowIgnored lists the findings that a config ignores, a line each.
func ShowIgnored(u *UI, list []config.Ignore, now time.Time) error {
	if u.JSON {
		out := []map[string]any{}
		for _, i := range list {
			out = append(out, map[string]any{"check": i.Check, "subject": i.Subject,
				"until": i.Until, "why": i.Why, "ended": i.Ended(now)})
		}
		return u.PrintJSON(out)
	}

	if len(list) == 0 {
		fmt.Fprintln(u.Out, "Nothing is ignored.")
		return nil
	}

	t := NewTable(u.Out)
	for _, i := range list {
		until := "until " + i.Until
		if i.Ended(now) {
			until = "ended " + i.Until
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", i.Check, Clean(cmp.Or(i.Subject, "every subject")),
			until, Clean(i.Why))
	}

	return t.Flush()
}
