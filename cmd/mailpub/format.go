package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/export"
)

// formatFlag is --format: what a command prints on standard output.
type formatFlag struct{ name string }

const (
	formatText = "text"
	formatJSON = "json"
)

func formats() []string { return append([]string{formatText, formatJSON}, export.Formats()...) }

func (f *formatFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "format", formatText,
		"print `FORMAT`: "+strings.Join(formats(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("format",
		cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)) // it fails on a flag that is missing
}

// use makes the command line's format that of the output.
func (f *formatFlag) use(a *app) error {
	switch {
	case !slices.Contains(formats(), f.name):
		return fmt.Errorf("--format is %q, want one of %s", f.name,
			strings.Join(formats(), ", "))
	case a.ui.JSON && f.name != formatText && f.name != formatJSON:
		return fmt.Errorf("--json and --format %s exclude each other", f.name)
	case f.name == formatJSON:
		a.ui.JSON = true
	}

	a.ui.Document = f.exports()
	return nil
}

// exports reports whether the output is a document of package export.
func (f *formatFlag) exports() bool { return slices.Contains(export.Formats(), f.name) }

// write prints results as a document.
func (f *formatFlag) write(a *app, command string, results ...export.Result) error {
	return export.Write(a.ui.Out, f.name, export.Document{
		Command: command,
		Version: version().Version,
		Results: results,
	})
}

// failed prints the document of a site that could not be read at all, where the format is one of those. The error
// is that of writing.
func (f *formatFlag) failed(a *app, command string, err error) error {
	if !f.exports() || a.ui.Stopped() != nil {
		return nil
	}
	return f.write(a, command, failed(a.ui.ConfigFile, err))
}

// failed is the result of a site that could not be read at all.
func failed(file string, err error) export.Result {
	r := export.Result{File: file}
	var mistakes config.Errors
	if !errors.As(err, &mistakes) {
		r.Errors = []error{err}
		return r
	}

	for _, m := range mistakes {
		text := m.Text
		if m.Field != "" {
			text = m.Field + ": " + text
		}
		r.Mistakes = append(r.Mistakes, export.Mistake{File: m.File, Line: m.Line, Text: text})
	}

	return r
}
