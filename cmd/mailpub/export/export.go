// Package export writes plans and reports in formats of other programs: Markdown for the comment of a pull
// request, JUnit XML for a CI, SARIF for code scanning.
//
// It knows plans, findings and the formats, and no terminal, no config and no network. What could not be read is
// written as such in each format: a document never looks complete where it is not.
package export

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Formats of Write.
const (
	Markdown = "markdown"
	JUnit    = "junit"
	SARIF    = "sarif"
)

// Formats returns those of Write.
func Formats() []string { return []string{Markdown, JUnit, SARIF} }

// Document is what a command found out about some sites.
type Document struct {
	Command string // "plan", "drift" or "verify"
	Version string // of mailpub
	Results []Result
}

// Result is what was found out about one site.
type Result struct {
	Site string // "" where the config could not be read
	File string // the config file

	Plan   *plan.Plan   // of plan
	Report *plan.Report // of verify; of drift, with its changes

	Errors   []error   // why something, or all, could not be found out
	Mistakes []Mistake // of the config, in place of Errors

	// Line returns the line of the config that a target or a check belongs to, from 1. It may be nil.
	Line func(target plan.Target, check plan.Check) int
}

// Mistake is one of a config.
type Mistake struct {
	File string
	Line int // from 1; 0 for none
	Text string
}

// changes are those of a plan, or of drift.
func (r Result) changes() []plan.Change {
	switch {
	case r.Plan != nil:
		return r.Plan.Changes
	case r.Report != nil && r.Report.Drift:
		return r.Report.Changes
	}
	return nil
}

func (r Result) checks() []plan.Check {
	if r.Report == nil {
		return nil
	}
	return r.Report.Checks
}

func (r Result) line(target plan.Target, check plan.Check) int {
	if r.Line == nil {
		return 1
	}
	return max(r.Line(target, check), 1)
}

// errors are those of a result, with the mistakes of its config.
func (r Result) errors() (list []Mistake) {
	list = slices.Clone(r.Mistakes)
	for _, err := range r.Errors {
		list = append(list, Mistake{File: r.File, Text: err.Error()})
	}
	return list
}

// name is the site, or the file of one whose config can't be read.
func (r Result) name() string {
	if r.Site == "" {
		return r.File
	}
	return r.Site
}

// Write writes a document in one of Formats.
func Write(w io.Writer, format string, d Document) error {
	switch format {
	case Markdown:
		return writeMarkdown(w, d)
	case JUnit:
		return writeJUnit(w, d)
	case SARIF:
		return writeSARIF(w, d)
	}

	return fmt.Errorf("format %q is not known, want one of %s", format,
		strings.Join(Formats(), ", "))
}

// WriteFile writes a document to a file.
func WriteFile(path, format string, d Document) error {
	var out bytes.Buffer
	if err := Write(&out, format, d); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// verb says in one word what a change does.
func verb(a plan.Action) string {
	return map[plan.Action]string{
		plan.Create:     "add",
		plan.Update:     "change",
		plan.Delete:     "remove",
		plan.Manual:     "manual step",
		plan.Unreadable: "not readable",
	}[a]
}
