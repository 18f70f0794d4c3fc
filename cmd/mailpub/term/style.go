package term

import (
	"cmp"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Style is how output looks: in colour on a terminal, plain elsewhere.
type Style struct {
	Terminal bool
	Colour   bool
	Columns  int // that text is wrapped at; zero is widest
}

// Columns of text: lines get no longer, as nobody reads such, and no shorter, as a narrow terminal
// would show little else than indents.
const (
	widest    = 100
	narrowest = 50
)

// StyleOf returns the style for a stream. NO_COLOR (no-color.org) and TERM=dumb are respected.
func StyleOf(w io.Writer, noColour bool) Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Style{}
	}

	s := Style{Terminal: true}
	_, unwanted := os.LookupEnv("NO_COLOR")
	s.Colour = !noColour && !unwanted && os.Getenv("TERM") != "dumb" && understandsColours(f)

	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Columns = min(max(width, narrowest), widest)
	}
	return s
}

func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold returns text in bold.
func (s Style) Bold(text string) string { return s.paint("1", text) }

// Dim returns text in a weak colour.
func (s Style) Dim(text string) string { return s.paint("2", text) }

// Red returns text in red, for what failed.
func (s Style) Red(text string) string { return s.paint("31", text) }

// Green returns text in green, for what is well.
func (s Style) Green(text string) string { return s.paint("32", text) }

// Yellow returns text in yellow, for warnings.
func (s Style) Yellow(text string) string { return s.paint("33", text) }

// Blue returns text in blue, for what is neither good nor bad.
func (s Style) Blue(text string) string { return s.paint("36", text) }

// Wrap breaks text at spaces so that lines, indented by n, stay within the style's columns.
func (s Style) Wrap(text string, n int) string {
	var b strings.Builder
	column, width := n, cmp.Or(s.Columns, widest)
	for i, word := range strings.Fields(text) {
		if column+1+len([]rune(word)) > width && i > 0 {
			b.WriteString("\n" + strings.Repeat(" ", n))
			column = n
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}

// EraseLine returns to the beginning of a terminal's line and clears it.
const EraseLine = "\r\x1b[K"

// Clean makes text from outside fit for a terminal: what could move the cursor or
// change colours becomes "?". Line ends stay.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ') {
			return '?'
		}
		return r
	}, s)
}

// Pad fills s up with spaces to n columns.
func Pad(s string, n int) string {
	if missing := n - len([]rune(s)); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}
