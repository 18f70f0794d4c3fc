package watch

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
)

// NoticeFormat names the form of a Notice in JSON.
const NoticeFormat = "mailpub/notice/v1"

// Notice is what somebody is told.
type Notice struct {
	Format string    `json:"format"`
	Site   string    `json:"site"`
	Host   string    `json:"host"`
	At     time.Time `json:"at"`
	Kind   Kind      `json:"kind"`
	Title  string    `json:"title"` // one line
	Text   string    `json:"text"`  // all of it, for people
	Things []Item    `json:"things,omitempty"`
}

// Item is one of those that a notice is about.
type Item struct {
	Subject string    `json:"subject"` // "router.forward tcp/25"
	Got     string    `json:"got,omitempty"`
	Want    string    `json:"want,omitempty"`
	Hint    string    `json:"hint,omitempty"` // what to do
	Cause   string    `json:"cause,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Seconds float64   `json:"seconds,omitempty"` // from Since until it was well again
}

// Channel takes notices to somebody.
type Channel struct {
	Name string // without any secret: "exec /usr/local/bin/tell"
	Send func(context.Context, Notice) error
}

// mostThings is how many things the text of a notice lists.
const mostThings = 12

// write fills in the text from title and things.
func (n *Notice) write(more ...string) {
	n.Format = NoticeFormat
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", n.Title)

	for i, t := range n.Things {
		if i == mostThings {
			fmt.Fprintf(&b, "and %d more\n", len(n.Things)-i)
			break
		}

		fmt.Fprintf(&b, "- %s\n", t.line())
		if t.Hint != "" && t.Seconds == 0 && t.Cause == "" {
			fmt.Fprintf(&b, "  %s\n", t.Hint)
		}
	}

	for _, line := range more {
		fmt.Fprintln(&b, line)
	}

	n.Text = strings.TrimSuffix(b.String(), "\n")
}

// translate says a notice in the language of those who get it. Subjects are names, and stay.
func (n *Notice) translate(l lang.Language) {
	n.Title = l.Text(n.Title)
	n.Text = l.Lines(n.Text)
	for i, t := range n.Things {
		n.Things[i].Got = l.Text(t.Got)
		n.Things[i].Want = l.Text(t.Want)
		n.Things[i].Hint = l.Text(t.Hint)
		n.Things[i].Cause = l.Text(t.Cause)
	}
}

// clean takes out of a notice what could be more than text where it is shown: it holds what name
// servers and mail servers said.
func (n *Notice) clean() {
	line := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
				return '?'
			}
			return r
		}, s)
	}

	lines := strings.Split(n.Text, "\n")
	for i, l := range lines {
		lines[i] = line(l)
	}

	n.Title = line(n.Title)
	n.Text = strings.Join(lines, "\n")
	for i, t := range n.Things {
		n.Things[i].Subject, n.Things[i].Got, n.Things[i].Want, n.Things[i].Hint = line(t.Subject), line(t.Got), line(t.Want), line(t.Hint)
	}
}

func (t Item) line() string {
	line := t.Subject
	switch {
	case t.Got != "" && t.Want != "":
		line += ": got " + t.Got + ", want " + t.Want
	case t.Got != "":
		line += ": " + t.Got
	}

	if t.Cause != "" {
		line += " (because of " + t.Cause + ")"
	}

	if t.Seconds > 0 {
		line += fmt.Sprintf(", since %s, after %s", t.Since.Format(time.DateTime),
			formatDuration(time.Duration(t.Seconds*float64(time.Second))))
	}

	return line
}
