package term

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

var (
	// ErrNotConfirmed is the error of a question that was not answered with yes.
	ErrNotConfirmed = errors.New("not confirmed; nothing was changed")

	// ErrNoTerminal is the error of a question where standard input is not a terminal.
	ErrNoTerminal = errors.New("cannot prompt: standard input is not a terminal")
)

// CanAsk reports whether questions can be answered.
func (u *UI) CanAsk() bool {
	in, isFile := u.In.(*os.File)
	return isFile && term.IsTerminal(int(in.Fd()))
}

// Confirm asks a question on the terminal; anything but yes is no. Ctrl-C is an answer.
func (u *UI) Confirm(ctx context.Context, question string) error {
	if !u.CanAsk() {
		return ErrNoTerminal
	}

	fmt.Fprintf(u.Err, "%s [y/N] ", u.Bold(question))
	s, err := u.line(ctx)
	if s = strings.ToLower(s); err == nil && (s == "y" || s == "yes") {
		return nil
	}

	return ErrNotConfirmed
}

// line reads a line that is typed. The error is ErrNotConfirmed at the end of input and when ctx
// is done.
func (u *UI) line(ctx context.Context) (string, error) {
	if u.typed == nil {
		u.typed = bufio.NewReader(u.In)
	}

	type answer struct {
		text string
		err  error
	}

	got := make(chan answer, 1)
	go func() {
		text, err := u.typed.ReadString('\n')
		got <- answer{text, err}
	}()

	select {
	case <-ctx.Done():
		fmt.Fprintln(u.Err)
		return "", ErrNotConfirmed
	case g := <-got:
		if g.err != nil && (g.err != io.EOF || strings.TrimSpace(g.text) == "") {
			fmt.Fprintln(u.Err)
			return "", ErrNotConfirmed
		}
		return strings.TrimSpace(g.text), nil
	}
}

// Questions asks for what can't be known. Each has what was found as its default, and a flag
// that answers it.
type Questions struct {
	UI  *UI
	Yes bool // take what was found

	open []string // flags of questions that could not be asked
}

// Ask returns the answer to a question: given where a flag has answered it, else what is
// typed, else found. A wrong answer is asked for again.
func (q *Questions) Ask(ctx context.Context, text, flag, given, found string, wrong func(string) error) (string, error) {
	switch {
	case given != "":
		return given, nil
	case q.Yes && found != "":
		return found, nil
	case q.Yes || !q.UI.CanAsk():
		hint := flag
		if found != "" {
			hint += " (found: " + found + ")"
		}
		q.open = append(q.open, hint)
		return found, nil
	}

	for {
		shown := ""
		if found != "" {
			shown = q.UI.Dim(" [" + found + "]")
		}

		fmt.Fprintf(q.UI.Err, "%s%s: ", q.UI.Bold(text), shown)
		s, err := q.UI.line(ctx)
		if err != nil {
			return "", err
		}

		if s == "" {
			s = found
		}

		err = errors.New("an answer is required")
		if s != "" {
			err = wrong(s)
		}

		if err == nil {
			return s, nil
		}

		fmt.Fprintf(q.UI.Err, "  %v\n", err)
	}
}

// Choice is one of the answers to a question, and what it means.
type Choice struct{ Name, Text string }

// Choose is Ask for a question that has certain answers. It lists them with numbers; the answer is a number or a
// name, and "?" lists them again. The list is plain text, so that a screen reader and a log have it too.
func (q *Questions) Choose(ctx context.Context, text, flag, given, found string, choices []Choice, wrong func(string) error) (string, error) {
	list := func() {
		width := 0
		for _, c := range choices {
			width = max(width, len(c.Name))
		}

		fmt.Fprintf(q.UI.Err, "%s:\n", q.UI.Bold(text))
		for i, c := range choices {
			line := fmt.Sprintf("  %2d  %-*s  %s", i+1, width, c.Name, c.Text)
			fmt.Fprintln(q.UI.Err, q.UI.hang(strings.TrimRight(line, " "), width+8))
		}
	}

	if given == "" && !q.Yes && q.UI.CanAsk() {
		list()
		text = "Number or name (? for the list)"
	}

	answer, err := q.Ask(ctx, text, flag, given, found, func(s string) error {
		if s == "?" {
			list()
			return errors.New("choose one of these")
		}
		return wrong(chosen(s, choices))
	})

	return chosen(answer, choices), err
}

// chosen is the name of a choice that was answered by its number.
func chosen(answer string, choices []Choice) string {
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(choices) {
		return choices[n-1].Name
	}
	return answer
}

// Complete returns an error that names the flags of all open questions; nil when there are none.
func (q *Questions) Complete() error {
	if len(q.open) == 0 {
		return nil
	}
	if q.Yes {
		return fmt.Errorf("cannot detect this, and --yes does not prompt: give %s",
			strings.Join(q.open, ", "))
	}

	return fmt.Errorf("cannot prompt: standard input is not a terminal; give %s, or --yes to accept the detected values",
		strings.Join(q.open, ", "))
}
