package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// progress prints what apply does: on a terminal what is under way, on a line that is
// then replaced by what is done; elsewhere a plain line for each change.
type progress struct {
	a        *app
	out      io.Writer
	width    int // of the longest name
	done, of int
	open     bool // an unfinished line stands on the terminal
}

func (a *app) progress(out io.Writer, changes []plan.Change) *progress {
	p := &progress{a: a, out: out}
	for _, c := range changes {
		p.width = max(p.width, min(len(c.Key.Name), nameWidth))
	}
	return p
}

func (p *progress) tell(e plan.Event) {
	look := p.a.look
	if e.Of > 0 {
		p.of = e.Of
	}
	at := look.dim(pad(fmt.Sprintf("%d/%d", e.N, e.Of), 2*len(fmt.Sprint(e.Of))+1))
	what := strings.TrimRight(p.a.changeLine(e.Change, p.width, 0), " ")
	switch e.Phase {
	case plan.Started:
		if look.terminal {
			p.end()
			fmt.Fprintf(p.out, "%s     %s", at, what)
			p.open = true
		}
	case plan.Done:
		p.end()
		p.done++
		fmt.Fprintf(p.out, "%s %s %s\n", at, look.green("ok "), what)
	case plan.Failed:
		p.end()
		fmt.Fprintf(p.out, "%s %s %s\n", at, look.red("NO "), what)
	case plan.GateOpen:
		p.end()
		fmt.Fprintf(p.out, "%s %s\n", look.green("gate open:"), clean(e.Gate))
	case plan.GateShut:
		p.end()
		fmt.Fprintf(p.out, "%s %s, so the rest, MX among it, stays as it is\n", look.red("gate shut: not true that"), clean(e.Gate))
	}
}

// end takes the unfinished line away.
func (p *progress) end() {
	if p.open {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.open = false
	}
}
