package main

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// look is how output is dressed: in colour on a terminal, plain elsewhere.
type look struct {
	terminal bool
	color    bool
	columns  int // that text is wrapped at; zero is widest
}

// Columns of text: lines get no longer, as nobody reads such, and no shorter, as a narrow terminal
// would show little else than indents.
const (
	widest    = 100
	narrowest = 50
)

// lookOf returns the look for a stream. NO_COLOR (no-color.org) and TERM=dumb are kept to.
func lookOf(w io.Writer, noColor bool) look {
	f, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	_, unwanted := os.LookupEnv("NO_COLOR")
	l := look{terminal: terminal, color: terminal && !noColor && !unwanted && os.Getenv("TERM") != "dumb" && understandsColours(f)}
	if terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			l.columns = min(max(width, narrowest), widest)
		}
	}
	return l
}

func (l look) paint(code, s string) string {
	if !l.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (l look) bold(s string) string   { return l.paint("1", s) }
func (l look) dim(s string) string    { return l.paint("2", s) }
func (l look) red(s string) string    { return l.paint("31", s) }
func (l look) green(s string) string  { return l.paint("32", s) }
func (l look) yellow(s string) string { return l.paint("33", s) }
func (l look) blue(s string) string   { return l.paint("36", s) }

// clean makes text from outside fit for a terminal: what could move the cursor or
// change colours becomes "?". Line ends stay.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ') {
			return '?'
		}
		return r
	}, s)
}

// pad fills s up with spaces to n columns.
func pad(s string, n int) string {
	if missing := n - len([]rune(s)); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}
