package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

var (
	errNotConfirmed = errors.New("not confirmed; nothing was done")
	errNobodyToAsk  = errors.New("there is nobody to ask: standard input is no terminal")
)

// terminal reports whether somebody can answer questions.
func (a *app) terminal() bool {
	in, isFile := a.in.(*os.File)
	return isFile && term.IsTerminal(int(in.Fd()))
}

// confirm asks a question on the terminal; anything but yes is no. Ctrl-C is an answer.
func (a *app) confirm(ctx context.Context, question string) error {
	if !a.terminal() {
		return errNobodyToAsk
	}
	fmt.Fprintf(a.err, "%s [y/N] ", a.look.bold(question))
	s, err := a.line(ctx)
	if s = strings.ToLower(s); err == nil && (s == "y" || s == "yes") {
		return nil
	}
	return errNotConfirmed
}

// line reads what somebody types. The error is errNotConfirmed at the end of input and when ctx
// is done.
func (a *app) line(ctx context.Context) (string, error) {
	if a.typed == nil {
		a.typed = bufio.NewReader(a.in)
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := a.typed.ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return "", errNotConfirmed
	case g := <-got:
		if g.err != nil && (g.err != io.EOF || strings.TrimSpace(g.text) == "") {
			fmt.Fprintln(a.err)
			return "", errNotConfirmed
		}
		return strings.TrimSpace(g.text), nil
	}
}

// questions asks for what can't be known. Each has what was found as its default, and a flag
// that answers it.
type questions struct {
	app   *app
	yes   bool     // take what was found
	open  []string // flags of questions that nobody is there to answer
	asked int
}

// ask returns the answer to a question: given where a flag has answered it, else what somebody
// types, else found. A wrong answer is asked for again.
func (q *questions) ask(ctx context.Context, text, flag, given, found string, wrong func(string) error) (string, error) {
	switch {
	case given != "":
		return given, nil
	case q.yes && found != "":
		return found, nil
	case q.yes || !q.app.terminal():
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
			shown = q.app.look.dim(" [" + found + "]")
		}
		fmt.Fprintf(q.app.err, "%s%s: ", q.app.look.bold(text), shown)
		q.asked++
		s, err := q.app.line(ctx)
		if err != nil {
			return "", err
		}
		if s == "" {
			s = found
		}
		err = errors.New("an answer is needed")
		if s != "" {
			err = wrong(s)
		}
		if err == nil {
			return s, nil
		}
		fmt.Fprintf(q.app.err, "  %v\n", err)
	}
}

// settled returns an error that names the flags of all open questions; nil when there are none.
func (q *questions) settled() error {
	if len(q.open) == 0 {
		return nil
	}
	if q.yes {
		return fmt.Errorf("this can't be found out, and --yes asks nobody: give %s", strings.Join(q.open, ", "))
	}
	return fmt.Errorf("standard input is no terminal, so nobody can be asked: give %s; --yes takes what was found", strings.Join(q.open, ", "))
}
