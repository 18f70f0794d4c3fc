package term

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// ShowChecks prints findings for people: first what others follow from, then what else is
// wrong, and what passed in one line.
func ShowChecks(u *UI, r plan.Report) {
	w, checks := u.Text(), r.Checks
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
				first, loose = cmp.Or(first, c.ID), true
				c.ID = groupSkipped(checks, i, told)
				showCheck(u, w, c)
			}
		}
	}
	if passed := allPassed(checks); len(passed) > 0 {
		if loose {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %s\n", u.Green("pass"), u.Wrap(strings.Join(passed, " "), 6))
	}
	t := plan.Count(checks)
	fmt.Fprintf(w, "\n%s %d passed, %d failed, %d warned, %d could not be known from here.\n",
		u.Bold("Verify:"), t.Pass, t.Fail, t.Warn, t.Skip)
	if t.Fail > 0 {
		fmt.Fprintf(w, "  next: mailpub verify --explain %s\n", first)
	}
}

// groupSkipped returns the id of a check, and with it those of the later ones that can't be known for the
// same reason. These are told then.
func groupSkipped(checks []plan.Check, i int, told map[int]bool) string {
	c := checks[i]
	ids := []string{c.ID}
	for j := i + 1; c.Status == plan.Skip && j < len(checks); j++ {
		o := checks[j]
		if o.Status == plan.Skip && !told[j] && o.Subject.String() == c.Subject.String() && o.Got == c.Got && o.Hint == c.Hint {
			ids, told[j] = append(ids, o.ID), true
		}
	}
	return strings.Join(ids, " ")
}

// allPassed returns the ids of which every check passed.
func allPassed(checks []plan.Check) (passed []string) {
	for _, c := range checks {
		other := func(o plan.Check) bool { return o.ID == c.ID && o.Status != plan.Pass }
		if !slices.Contains(passed, c.ID) && !slices.ContainsFunc(checks, other) {
			passed = append(passed, c.ID)
		}
	}
	return passed
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
			if o := checks[j]; !told[j] && o.ID == c.ID && o.Status == c.Status && o.Got == c.Got {
				subjects, told[j] = append(subjects, o.Subject.String()), true
			}
		}
		if subjects != nil {
			fmt.Fprintf(w, "      %s  %s  %s\n", statusMark(u, c.Status), c.ID, u.Wrap(Clean(strings.Join(subjects, ", ")+": "+c.Got), 14+len(c.ID)))
		}
	}
	if unknown != nil {
		fmt.Fprintf(w, "      %s  %s\n", statusMark(u, plan.Skip), u.Wrap("not to be known until then: "+strings.Join(unknown, " "), 12))
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
	fmt.Fprintf(w, "%s  %s  %s\n", statusMark(u, c.Status), u.Bold(c.ID), Clean(c.Subject.String()))
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(w, "      %s %s\n", u.Dim(what), u.Wrap(Clean(text), 11))
		}
	}
	if c.Status != plan.Skip {
		line("want", c.Want)
		line("got ", c.Got)
	} else {
		line("why ", c.Got)
	}
	line("do  ", c.Hint)
}
