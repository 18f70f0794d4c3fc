package term

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// columns of the lists that are printed, and the width that a name or text has at most
// before it pushes what follows.
const (
	nameWidth = 40
	textWidth = 34
)

// ShowChanges prints changes, a line each: sign, name, text, reason. A reason that does
// not fit goes on a line of its own, and one that several have in common is said once.
func ShowChanges(u *UI, changes []plan.Change) {
	w := u.Text()
	name, text := 0, 0
	for _, c := range changes {
		name = max(name, min(displayWidth(c.Key.Name), nameWidth,
			cmp.Or(u.Columns, widest)/2))
		text = max(text, min(len(changeText(u, c)), textWidth))
	}

	reason := ""
	for _, c := range changes {
		line := changeLine(u, c, name, text)
		why := Clean(u.Language.Text(c.Reason))
		if why == reason {
			why = ""
		}

		reason = Clean(u.Language.Text(c.Reason))
		used := 4 + max(name, len(c.Key.Name)) + 2 + max(text, len(changeText(u, c))) + 2
		if why != "" && used+displayWidth(why) <= cmp.Or(u.Columns, widest) {
			line += "  " + u.Dim(why)
			why = ""
		}

		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
		note := func(style func(string) string, text string) {
			if text != "" {
				fmt.Fprintf(w, "      %s\n", style(u.Wrap(Clean(text), 6)))
			}
		}

		if c.Before != nil && (c.Action == plan.Update || c.Action == plan.Manual) && !c.Renew {
			note(u.Dim, u.Language.Text("now")+" "+strings.Join(c.Before, ", "))
		}

		note(u.Dim, why)
		if c.Adopt {
			note(u.Yellow, u.Language.Text("not mailpub's: apply takes it over only with your consent (--adopt)"))
		}
	}
}

// changeLine is a change on one line: its sign, its name and what it becomes.
func changeLine(u *UI, c plan.Change, name, text int) string {
	value := changeText(u, c)
	at := 4 + max(name, displayWidth(c.Key.Name)) + 2
	switch {
	case u.Columns == 0 || at+displayWidth(value) <= u.Columns:
		value = Pad(value, text)
	case at < u.Columns*2/3:
		value = u.Wrap(value, at)
	default:
		value = "\n      " + u.Wrap(value, 6)
	}

	return fmt.Sprintf("%s %s  %s", actionSign(u, c.Action), Pad(Clean(c.Key.Name), name),
		value)
}

// longText is the length from which a text is shown without its middle: nobody reads a key.
const longText = 160

// changeText is what a change puts in place, or takes away, as it is shown. What a person has to
// enter is shown whole.
func changeText(u *UI, c plan.Change) string {
	text := fullText(c)
	if c.Key.Kind == "service" || c.Action == plan.Unreadable {
		text = u.Language.Text(text)
	}

	if len(text) > longText && c.Action != plan.Manual {
		text = strings.ToValidUTF8(text[:60], "") + "..." +
			strings.ToValidUTF8(text[len(text)-30:], "")
	}

	return text
}

func fullText(c plan.Change) string {
	switch {
	case c.Action == plan.Delete:
		return Clean(strings.Join(c.Before, ", "))
	case c.Action == plan.Unreadable:
		return "not known"
	case c.Renew:
		return Clean(strings.Join(c.After, ", ")) + "  renew"
	}

	return Clean(strings.Join(c.After, ", "))
}

func actionSign(u *UI, action plan.Action) string {
	switch action {
	case plan.Create:
		return u.Green(action.Sign())
	case plan.Update:
		return u.Yellow(action.Sign())
	case plan.Delete:
		return u.Red(action.Sign())
	}

	return u.Blue(action.Sign())
}
