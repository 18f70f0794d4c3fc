package term

import (
	"cmp"
	"io"
	"os"
	"strings"

	"github.com/clipperhouse/displaywidth"
	"golang.org/x/term"
)

// Style is how output looks: in colour on a terminal, plain elsewhere.
type Style struct {
	Terminal bool
	Colour   bool
	Columns  int // that text is wrapped at; zero is widest
	Width    int // of the terminal; zero where there is none
}

// Columns of text: lines get no longer, as nobody reads such, and no shorter, as a narrow terminal
// would show little else than indents.
const (
	widest    = 100
	narrowest = 50
)

// StyleOf returns the style for a stream. NO_COLOR (no-color.org) and TERM=dumb are respected.
func StyleOf(w io.Writer, noColour bool) Style {
	if above, ok := w.(interface{ below() io.Writer }); ok {
		w = above.below()
	}

	f, ok := w.(*os.File)
	_, unwanted := os.LookupEnv("NO_COLOR")
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Style{Colour: !noColour && !unwanted && isColourForced()}
	}

	s := Style{Terminal: true}
	s.Colour = !noColour && !unwanted && os.Getenv("TERM") != "dumb" && understandsColours(f)

	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Columns = min(max(width, narrowest), widest)
		s.Width = width
	}

	return s
}

// isColourForced reports whether the environment asks for colour without a terminal, as logs of CI show it
// (https://bixense.com/clicolors).
func isColourForced() bool {
	force := os.Getenv("CLICOLOR_FORCE")
	return force != "" && force != "0"
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
	column := n
	width := cmp.Or(s.Columns, widest)

	for i, word := range strings.Fields(text) {
		if column+1+displayWidth(word) > width && i > 0 {
			b.WriteString("\n" + strings.Repeat(" ", n))
			column = n
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}

		b.WriteString(word)
		column += displayWidth(word)
	}

	return b.String()
}

// hang breaks a line that does not fit the terminal, with what follows indented by n. Text of several lines
// stays as it is.
func (s Style) hang(line string, n int) string {
	if s.Columns == 0 || strings.Contains(line, "\n") || displayWidth(line) <= s.Columns {
		return line
	}

	lead := line[:len(line)-len(strings.TrimLeft(line, " "))]
	words := strings.Fields(line)
	head := lead + words[0] + " "
	wrapped := s.Wrap(strings.Join(words[1:], " "), len(head))

	return head + strings.ReplaceAll(wrapped, "\n"+strings.Repeat(" ", len(head)),
		"\n"+strings.Repeat(" ", n))
}

// Clip cuts a line that does not fit the terminal, so that EraseLine takes all of it away again.
func (s Style) Clip(line string) string {
	if s.Width == 0 {
		return line
	}
	return terminalText.TruncateString(line, s.Width-1, "…")
}

// Fold breaks the lines of a help text that do not fit the terminal: paragraphs anew, and the texts of a table
// below themselves.
func (s Style) Fold(text string) string {
	if s.Columns == 0 {
		return text
	}

	var out []string
	paragraph := ""
	flush := func() {
		if paragraph != "" {
			out = append(out, s.Wrap(paragraph, 0))
		}
		paragraph = ""
	}

	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			flush()
			out = append(out, line)
		case line[0] != ' ':
			paragraph += " " + line
		default:
			flush()
			out = append(out, s.foldRow(line))
		}
	}

	flush()
	return strings.Join(out, "\n")
}

// foldRow breaks an indented line: behind its last column, or as it is indented.
func (s Style) foldRow(line string) string {
	if displayWidth(line) <= s.Columns {
		return line
	}

	bare := strings.TrimLeft(line, " ")
	indent := len(line) - len(bare)
	if gap := strings.LastIndex(bare, "   "); gap > 0 && indent+gap+3 <= s.Columns*2/3 {
		head := line[:indent+gap+3]
		return head + s.Wrap(bare[gap+3:], displayWidth(head))
	}

	return strings.Repeat(" ", indent) + s.Wrap(bare, indent)
}

// EraseLine returns to the beginning of a terminal's line and clears it.
const EraseLine = "\r\x1b[K"

// Pad fills s up with spaces to n columns.
func Pad(s string, n int) string {
	if missing := n - displayWidth(s); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

// terminalText measures text as a terminal shows it: escape sequences have no width.
var terminalText = displaywidth.Options{ControlSequences: true}

// displayWidth is how many columns of a terminal a text takes.
func displayWidth(s string) int { return terminalText.String(s) }
