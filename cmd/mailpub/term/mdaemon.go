package term

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

// ShowMDaemon prints what can be told of an MDaemon.
func ShowMDaemon(u *UI, s mdaemon.Overview) {
	row := func(name, text string) {
		fmt.Fprintf(u.Text(), "%s  %s\n", u.Bold(Pad(name, 9)), u.Wrap(Clean(text), 11))
	}

	row("MDaemon", cmp.Or(s.Version, "its version is unknown"))
	folder := cmp.Or(s.App, "not configured (service.settings.app)")
	switch {
	case s.Locked:
		folder += "; its semaphores are locked (LOCKSEMS.SEM), nothing can be loaded"
	case s.Unfinished:
		folder += "; an earlier run was interrupted; apply loads its changes"
	}

	row("folder", folder)
	row("XML API", s.API)
	row("help", fmt.Sprintf("%d operations are known from the vendor's help", s.Operations))
	row("dialect", cmp.Or(s.Foreign, s.Dialect,
		"no learnt settings (service.settings.dialect)"))

	row("learnt", cmp.Or(strings.Join(s.Learnt, ", "), "none"))
	if len(s.Unknown) > 0 {
		row("unknown", strings.Join(s.Unknown, ", ")+": mailpub mdaemon learn SETTING")
	}
}

// AskMDaemon returns what shows a person the next step in MDaemon's dialog, and waits for Enter.
func AskMDaemon(u *UI) func(context.Context, mdaemon.Instruction) error {
	return func(ctx context.Context, o mdaemon.Instruction) error {
		if !u.CanAsk() {
			return ErrNoTerminal
		}

		fmt.Fprintf(u.Err, "%s %s\n", u.Bold(fmt.Sprintf("%d of %d:", o.Step, o.Of)),
			u.Wrap(InstructionText(o), 8))

		fmt.Fprint(u.Err, u.Dim("        Leave the dialog with OK or Apply, change nothing else, then press Enter. "))
		_, err := u.line(ctx)
		return err
	}
}

// InstructionText says what a person is to do.
func InstructionText(o mdaemon.Instruction) string {
	where := o.Setting.Where
	if o.Setting.Former != where {
		where += " (before 13.6: " + o.Setting.Former + ")"
	}

	switch {
	case o.AsItWas:
		return fmt.Sprintf("%s: restore the former text of %q.", where, o.Setting.Box)
	case o.Text != "":
		return fmt.Sprintf("%s: enter %q in %q.", where, o.Text, o.Setting.Box)
	case o.Tick:
		return fmt.Sprintf("%s: tick %q.", where, o.Setting.Box)
	case o.Step == 1:
		return fmt.Sprintf("%s: make sure that %q is not ticked.", where, o.Setting.Box)
	}

	return fmt.Sprintf("%s: untick %q.", where, o.Setting.Box)
}

// ShowLearnt says what was found out.
func ShowLearnt(u *UI, s mdaemon.Setting, p mdaemon.Placement, file string) {
	value := "a text"
	if !s.Text {
		value = fmt.Sprintf("%q when ticked, %q when not", p.On, p.Off)
	}
	fmt.Fprintf(u.Text(), "%s: %s, section [%s], key %s, %s.\n", u.Green(s.Name), p.File,
		p.Section, p.Key, value)
	fmt.Fprintf(u.Text(), "Kept in %s; name it in service.settings.dialect, then run mailpub plan.\n", file)
}
