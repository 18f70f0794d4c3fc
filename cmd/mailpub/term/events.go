package term

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/plan"
)

// Events returns what prints the events of a site as they happen.
func (u *UI) Events() func(site.Event) {
	var bar *progress
	return func(e site.Event) {
		switch e := e.(type) {
		case site.LockWait:
			fmt.Fprintf(u.Err, "waiting up to %v: %v\n", e.Limit, e.Err)
		case site.Warning:
			fmt.Fprintf(u.Err, "warning: %s\n", Clean(e.Text))
		case site.KeyMade:
			fmt.Fprintf(u.Err, "created a DKIM key for %s, selector %s: %s\n", e.Key.Domain,
				e.Key.Selector, e.Key.File)
		case site.ChecksStarted:
			u.checksStarted()
		case site.ChecksEnded:
			u.checksEnded()
		case site.ApplyStarted:
			bar = newProgress(u, e.Plan.Changes)
		case site.ApplyProgress:
			bar.update(e.Event)
		case site.ApplyEnded:
			bar.end()
			if e.Err == nil {
				showApplied(u, e.Plan.Plan, e.Done)
			}
		case site.ForwardRecreated:
			fmt.Fprintf(u.Out, "%s %s was re-created; check from outside that it reaches the server.\n",
				u.Green("Healed:"), e.Key.Name)
		case site.PropagationWait:
			fmt.Fprintf(u.Text(), "waiting for %s\n", Clean(site.StaleServers(e.Behind)))
		case site.Propagation:
			showPropagation(u, e.Propagation)
		case site.CutoverStep:
			showCutoverStep(u, e)
		case site.CutoverChecks:
			ShowChecks(u, e.Report)
		}
	}
}

// checksStarted says on a terminal that checks run: where something does not answer, that takes its
// time. checksEnded removes the line.
func (u *UI) checksStarted() {
	if !u.JSON && !u.Document && u.Terminal {
		fmt.Fprint(u.Out, u.Dim("looking ..."))
	}
}

func (u *UI) checksEnded() {
	if !u.JSON && !u.Document && u.Terminal {
		fmt.Fprint(u.Out, EraseLine)
	}
}

// showCutoverStep prints the headline of a step.
func showCutoverStep(u *UI, e site.CutoverStep) {
	out := u.Text()
	at := e.Until.Local().Format(time.DateTime)
	left := plan.FormatDuration(e.Left)
	text := ""

	switch e.Step {
	case site.CutoverNothing:
		fmt.Fprintln(out, "No live record moves; this is an ordinary apply.")
		return
	case site.CutoverLower:
		text = fmt.Sprintf("1. Lowering the TTL of %s to %s, and making the other changes.",
			keyNames(e.Moving), plan.FormatDuration(e.TTL))
	case site.CutoverLater:
		text = fmt.Sprintf("2. The old TTL expires everywhere at %s, in %s. Then run: mailpub%s apply --cutover",
			at, left, u.ConfigFlag())
	case site.CutoverWait:
		text = fmt.Sprintf("2. Waiting until %s, for %s, when the old TTL expires everywhere.",
			at, left)
	case site.CutoverMove:
		text = fmt.Sprintf("3. Moving %s.", keyNames(e.Moving))
	case site.CutoverRestore:
		text = "4. Restoring the TTL."
	}

	fmt.Fprintf(out, "%s\n", u.Bold(text))
}

func keyNames(keys []plan.Key) string {
	var names []string
	for _, k := range keys {
		names = append(names, strings.Replace(k.Name, ". ", " ", 1))
	}
	return strings.Join(names, ", ")
}

// Notice prints what an administrator should know, on standard error. subject may be "".
func (u *UI) Notice(subject, text string) {
	if subject != "" {
		subject = u.Yellow(subject) + " "
	}
	fmt.Fprintf(u.Err, "%s%s\n", subject, Clean(text))
}

// ShowMessage prints a line for a message that the bundled receiver stored.
func (u *UI) ShowMessage(m receiver.Message) {
	fmt.Fprintf(u.Out, "%s  from <%s> at %s  for %s  %d bytes  %s\n",
		m.Time.Format(time.DateTime),
		Clean(m.From), Clean(m.Remote), Clean(strings.Join(m.To, ", ")), m.Size,
		strings.Join(m.Paths, ", "))
}
