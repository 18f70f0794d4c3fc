package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Problem is one mistake in a config file.
type Problem struct {
	File  string
	Line  int    // from 1; 0 where it belongs to no line
	Field string // "domains[0].name"
	Text  string // what is wrong and what was expected

	// Reference is the reference of a secret that cannot be read: the file itself is right.
	Reference string

	// Of a file that cannot be parsed:
	Source string // the line itself
	Column int    // in it, from 1
}

// Excerpt is the line of a problem with a caret below the column, for a terminal; "" where there is none.
func (p Problem) Excerpt() string {
	if p.Source == "" {
		return ""
	}
	number := fmt.Sprintf("%5d | ", p.Line)
	blank := strings.Repeat(" ", len(number)-2) + "| "
	return number + strings.ReplaceAll(p.Source, "\t", " ") + "\n" + blank +
		strings.Repeat(" ", max(p.Column-1, 0)) + "^"
}

func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}

	if p.Field == "" {
		return where + ": " + p.Text
	}

	return where + ": " + p.Field + ": " + p.Text
}

// OnlySecrets reports whether the files are right, and only secrets are missing that they refer to.
func (e Errors) OnlySecrets() bool {
	return len(e) > 0 && !slices.ContainsFunc(e, func(p Problem) bool { return p.Reference == "" })
}

// Errors are all mistakes of a file, one a line, in the order of the file.
type Errors []Problem

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Field, b.Field)
	})
	return slices.Compact(e)
}

// suggest says "did you mean X?" when one of the known words is near, else all of them.
func suggest(word string, known []string) string {
	if best := plan.Nearest(word, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "want one of " + strings.Join(known, ", ")
}
