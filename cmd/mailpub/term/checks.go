package term

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// ShowChecks prints findings for people: first what others follow from, then what else is
// wrong, and what passed in one line.
func ShowChecks(u *UI, r plan.Report) {
	w := u.Text()
	checks := r.Checks
	told := map[int]bool{}
	first := "" // finding that is shown

	for _, cause := range r.Causes {
		showCause(u, w, checks, cause)
		first = cmp.Or(first, checks[cause.Check].ID)
		for _, i := range append(cause.Consequences, cause.Check) {
			told[i] = true
		}
	}

	loose := false
	for _, status := range []plan.Status{plan.Fail, plan.Warn, plan.Skip} {
		for i, c := range checks {
			if c.Status == status && !told[i] {
				first = cmp.Or(first, c.ID)
				loose = true
				c.ID = groupSkipped(checks, i, told)
				showCheck(u, w, c)
			}
		}
	}

	passed, unused := allPassed(checks)
	if loose && len(passed)+len(unused) > 0 {
		fmt.Fprintln(w)
	}

	if len(passed) > 0 {
		fmt.Fprintf(w, "%s  %s\n", u.Green("pass"), u.Wrap(strings.Join(passed, " "), 6))
	}

	if len(unused) > 0 {
		fmt.Fprintf(w, "%s  %s\n", u.Dim("not used"), u.Wrap(strings.Join(unused, " "), 10))
	}

	showSeenOutside(u, w, checks)
	fmt.Fprintf(w, "\n%s %s.\n", u.Bold("Verify:"), CheckSum(checks))
	t := plan.Count(checks)

	if t.Fail > 0 {
		fmt.Fprintf(w, "  next: mailpub verify --explain %s\n", first)
	}
}

// showSeenOutside prints what the round trip through a mailbox elsewhere showed where it passes: the hops of the message
// in, and what the provider found out about the message out.
func showSeenOutside(u *UI, w io.Writer, checks []plan.Check) {
	var subjects []string
	found := map[string][]string{}
	out := false

	for _, c := range checks {
		name, isOut := strings.CutPrefix(c.ID, catalog.OutboundGroup+".")
		out = out || isOut
		if c.Status != plan.Pass || !isOut && c.ID != catalog.MailOutside {
			continue
		}

		subject := c.Subject.String()
		if found[subject] == nil {
			subjects = append(subjects, subject)
		}

		text := c.Got
		if isOut {
			text = name + " " + c.Got
		}

		found[subject] = append(found[subject], text)
	}

	if !out || len(subjects) == 0 {
		return
	}

	fmt.Fprintf(w, "%s\n", u.Bold("seen outside:"))
	for _, subject := range subjects {
		fmt.Fprintf(w, "      %s\n", u.Wrap(Clean(subject+": "+
			strings.Join(found[subject], "; ")), 8))
	}
}

// groupSkipped returns the id of a check, and with it those of the later ones that can't be known for the
// same reason. These are told then.
func groupSkipped(checks []plan.Check, i int, told map[int]bool) string {
	c := checks[i]
	ids := []string{c.ID}
	for j := i + 1; c.Status == plan.Skip && j < len(checks); j++ {
		o := checks[j]
		if o.Status == plan.Skip && !told[j] && o.Subject.String() == c.Subject.String() &&
			o.Got == c.Got && o.Hint == c.Hint {
			ids = append(ids, o.ID)
			told[j] = true
		}
	}

	return strings.Join(ids, " ")
}

// CheckSum says in a few words how checks came out. "Passed" counts what was checked; what the site does
// not use is counted apart.
func CheckSum(checks []plan.Check) string {
	t := plan.Count(checks)
	text := fmt.Sprintf("%d passed, %d failed, %d warned, %d skipped", t.Pass-t.Unused, t.Fail,
		t.Warn-t.Ignored, t.Skip)

	if t.Unused > 0 {
		text += fmt.Sprintf(", %d not used", t.Unused)
	}

	if t.Ignored > 0 {
		text += fmt.Sprintf(", %d ignored", t.Ignored)
	}

	return text
}

// allPassed returns the ids of which every check passed, and those of which every check is about
// something that is not used.
func allPassed(checks []plan.Check) (passed, unused []string) {
	ended := map[string]bool{} // ids that are decided
	for _, c := range checks {
		if ended[c.ID] {
			continue
		}

		ended[c.ID] = true
		all, used := true, false
		for _, o := range checks {
			if o.ID != c.ID {
				continue
			}
			all = all && o.Status == plan.Pass
			used = used || !o.Unused
		}

		switch {
		case all && used:
			passed = append(passed, c.ID)
		case all:
			unused = append(unused, c.ID)
		}
	}

	return passed, unused
}

// showCause prints a cause, and below it what follows: in a line those that say the same, and in
// one all that can't be known because of it.
func showCause(u *UI, w io.Writer, checks []plan.Check, cause plan.Cause) {
	fmt.Fprintf(w, "%s %s\n", u.Bold("cause:"), Clean(cause.Says))
	showCheck(u, w, checks[cause.Check])
	var unknown []string
	told := map[int]bool{}

	for _, i := range cause.Consequences {
		c := checks[i]
		if c.Status == plan.Skip {
			if !slices.Contains(unknown, c.ID) {
				unknown = append(unknown, c.ID)
			}
			continue
		}

		var subjects []string
		for _, j := range cause.Consequences {
			if o := checks[j]; !told[j] && o.ID == c.ID && o.Status == c.Status &&
				o.Got == c.Got {
				subjects = append(subjects, o.Subject.String())
				told[j] = true
			}
		}

		if subjects != nil {
			fmt.Fprintf(w, "      %s  %s  %s\n", statusMark(u, c.Status), c.ID,
				u.Wrap(Clean(strings.Join(subjects, ", ")+": "+c.Got), 14+len(c.ID)))
		}
	}

	if unknown != nil {
		fmt.Fprintf(w, "      %s  %s\n", statusMark(u, plan.Skip),
			u.Wrap("skipped until that is fixed: "+strings.Join(unknown, " "), 12))
	}

	fmt.Fprintln(w)
}

// statusMark is a status, in its colour.
func statusMark(u *UI, s plan.Status) string {
	switch s {
	case plan.Fail:
		return u.Red("FAIL")
	case plan.Warn:
		return u.Yellow("warn")
	case plan.Pass:
		return u.Green("pass")
	}

	return u.Blue("skip")
}

func showCheck(u *UI, w io.Writer, c plan.Check) {
	label := statusMark(u, c.Status)
	if c.Ignored != nil {
		label = u.Dim("ignored")
	}

	fmt.Fprintf(w, "%s  %s  %s\n", label, u.Bold(c.ID), Clean(c.Subject.String()))
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(w, "      %s %s\n", u.Dim(what), u.Wrap(Clean(text), 11))
		}
	}

	switch {
	case c.Ignored != nil:
		line("want", c.Want)
		line("got ", c.Got)
		line("why ", c.Ignored.Why+" (ignored until "+c.Ignored.Until+")")
		return
	case c.Status == plan.Skip:
		line("why ", c.Got)
	default:
		line("want", c.Want)
		line("got ", c.Got)
	}

	line("do  ", c.Hint)
}
