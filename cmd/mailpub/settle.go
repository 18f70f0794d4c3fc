package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// settle waits until the world's name servers say what was written, and tells how long what
// they said before can live on. That they do not agree in time is no failure of apply: all is
// written.
func (a *app) settle(ctx context.Context, w *world, changes []plan.Change, wait time.Duration) (s dnscheck.Settled) {
	var written []plan.Change
	for _, c := range changes {
		if c.Key.Kind == "dns" && c.Writes() {
			written = append(written, c)
		}
	}
	if len(written) == 0 {
		return s
	}
	out := a.out
	if a.json {
		out = a.err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	said := ""
	s = w.dnsFacts().Settle(waiting, written, func(behind []dnscheck.Behind) {
		if text := behindText(behind); text != said {
			fmt.Fprintf(out, "waiting for %s\n", text)
			said = text
		}
	})
	a.showSettled(out, s)
	return s
}

func behindText(behind []dnscheck.Behind) string {
	var servers []string
	for _, b := range behind {
		servers = append(servers, clean(b.Server))
	}
	return fmt.Sprintf("%s: it still says something else of %s", strings.Join(servers, ", "), clean(behind[0].Key.Name))
}

func (a *app) showSettled(out io.Writer, s dnscheck.Settled) {
	switch n := len(s.Agree); {
	case len(s.Behind) > 0:
		fmt.Fprintf(out, "%s not everywhere yet: %s. mailpub verify tells when it is.\n", a.look.yellow("DNS:"), behindText(s.Behind))
	case n == 1:
		fmt.Fprintf(out, "%s the name server says what was written.\n", a.look.green("DNS:"))
	case n > 1:
		fmt.Fprintf(out, "%s all %d name servers say what was written.\n", a.look.green("DNS:"), n)
	}
	for _, err := range s.Silent {
		fmt.Fprintf(out, "%s could not be asked: %s\n", a.look.yellow("DNS:"), clean(err.Error()))
	}
	for _, c := range s.Cached {
		left := ""
		if c.Left > 0 {
			left = " for up to " + plan.Spell(c.Left)
		}
		fmt.Fprintf(out, "%s resolver %s still has the old answer for %s%s\n", a.look.yellow("DNS:"), clean(c.Server), clean(c.Key.Name), left)
	}
	if s.Old > 0 && len(s.Agree) > 0 {
		fmt.Fprintf(out, "Who asked before may go on hearing the old answer for up to %s.\n", plan.Spell(s.Old))
	}
}
