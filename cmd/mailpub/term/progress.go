package term

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// progress prints what apply does: on a terminal what is under way, on a line that is
// then replaced by what is done; elsewhere a plain line for each change.
type progress struct {
	ui       *UI
	out      io.Writer
	width    int // of the longest name
	done, of int
	open     bool // an unfinished line stands on the terminal
}

func newProgress(u *UI, changes []plan.Change) *progress {
	p := &progress{ui: u, out: u.Text()}
	for _, c := range changes {
		p.width = max(p.width, min(len(c.Key.Name), nameWidth))
	}
	return p
}

func (p *progress) update(e plan.Event) {
	u := p.ui
	if e.Of > 0 {
		p.of = e.Of
	}

	at := u.Dim(Pad(fmt.Sprintf("%d/%d", e.N, e.Of), 2*len(fmt.Sprint(e.Of))+1))
	flat := *u
	flat.Columns = 0 // one line, which is clipped or wrapped by the terminal
	what := strings.TrimRight(changeLine(&flat, e.Change, p.width, 0), " ")

	switch e.Phase {
	case plan.Started:
		if u.Terminal {
			p.end()
			fmt.Fprint(p.out, u.Clip(fmt.Sprintf("%s     %s", at, what)))
			p.open = true
		}
	case plan.Done:
		p.end()
		p.done++
		fmt.Fprintf(p.out, "%s %s %s\n", at, u.Green("ok "), what)
	case plan.Failed:
		p.end()
		fmt.Fprintf(p.out, "%s %s %s\n", at, u.Red("NO "), what)
	case plan.GateOpen:
		p.end()
		fmt.Fprintf(p.out, "%s %s\n", u.Green("gate open:"), Clean(e.Gate))
	case plan.GateShut:
		p.end()
		fmt.Fprintf(p.out, "%s %s; the remaining changes, including MX, were not made\n",
			u.Red("gate closed; not confirmed:"), Clean(e.Gate))
	}
}

// end takes the unfinished line away.
func (p *progress) end() {
	if p.open {
		fmt.Fprint(p.out, EraseLine)
		p.open = false
	}
}
