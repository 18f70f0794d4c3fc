// Package term is all text for a terminal: plans, checks, progress, prompts, hints and tables.
//
// It knows how the results of site and of the packages below look to a person, and it is the only
// package with escape sequences. It does not know flags, commands or exit codes, and decides
// nothing but what a person answers.
package term

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
)

// DefaultConfig is the config file of a command that names none.
const DefaultConfig = "mailpub.yaml"

// UI is where a command prints and asks.
type UI struct {
	Style
	In       io.Reader
	Out, Err io.Writer
	JSON     bool // standard output holds a JSON document alone
	Document bool // standard output holds another document alone

	Language   lang.Language // of what is handed on to other people; "": English
	ConfigFile string        // for the commands that are suggested
	Stopped    func() error  // not nil after the command was interrupted

	typed   *bufio.Reader // of In, after the first question
	printed bool          // a JSON document was
}

// Text is where text for people goes: standard output, unless that holds a document.
func (u *UI) Text() io.Writer {
	if u.JSON || u.Document {
		return u.Err
	}
	return u.Out
}

// PrintJSON prints v on standard output, indented, with a final newline.
func (u *UI) PrintJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	u.printed = true
	_, err = fmt.Fprintf(u.Out, "%s\n", data)
	return err
}

// ConfigFlag is " -c FILE" where the config is not the default one.
func (u *UI) ConfigFlag() string {
	if u.ConfigFile == DefaultConfig {
		return ""
	}
	return " -c " + ShellWord(u.ConfigFile, runtime.GOOS)
}

// NewTable returns a writer of a table whose cells end with a tab; two spaces separate columns.
// Cells of a column have either all the same colour, or none.
func NewTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }
