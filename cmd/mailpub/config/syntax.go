package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// syntaxProblem returns the mistake of a file that cannot be parsed: its line as a person would name it, the
// text of that line, and the column.
func syntaxProblem(path, format string, data []byte, err error) Problem {
	p := Problem{File: path, Line: lineIn(err), Text: strip(err)}
	var position *toml.DecodeError
	if format == "toml" && errors.As(parserOf(format)(data), &position) {
		p.Line, p.Column = position.Position()
	}

	var at *json.SyntaxError
	if format == "json" && errors.As(json.Unmarshal(data, new(any)), &at) {
		before := data[:max(at.Offset-1, 0)]
		p.Line = 1 + bytes.Count(before, []byte("\n"))
		p.Column = len(before) - bytes.LastIndexByte(before, '\n')
		p.Text = at.Error()
	}

	if line := firstUnparsableLine(data, parserOf(format)); line > 0 && position == nil &&
		at == nil {
		p.Line = line
	}

	if p.Line == 0 {
		return p
	}

	lines := strings.Split(string(data), "\n")
	if p.Line > len(lines) {
		return p
	}

	p.Source = strings.TrimRight(lines[p.Line-1], "\r")
	if p.Column == 0 {
		p.Column = 1 + utf8.RuneCountInString(p.Source[:len(p.Source)-len(strings.TrimLeft(p.Source, " "))])
	}

	if format == "yaml" {
		p.Text = plainSyntax(p.Text, p.Source)
	}

	return p
}

func parserOf(format string) func([]byte) error {
	if format == "toml" {
		return func(data []byte) error {
			var fields map[string]any
			return toml.Unmarshal(data, &fields)
		}
	}

	return func(data []byte) error {
		var doc yaml.Node
		return yaml.Unmarshal(data, &doc)
	}
}

// mostLines is how long a file is at most whose lines are tried one after the other.
const mostLines = 1000

// firstUnparsableLine returns the line from which on a file cannot be parsed: parsers name the beginning of the section, or
// the end of the file where a quote is open. It is zero where the file can be parsed, or is too long to try.
func firstUnparsableLine(data []byte, parse func([]byte) error) int {
	lines := strings.SplitAfter(string(data), "\n")
	if len(lines) > mostLines || parse(data) == nil {
		return 0
	}

	end := len(data)
	for n := len(lines); n > 0; n-- {
		end -= len(lines[n-1])
		if parse(data[:end]) == nil {
			return firstText(lines, n)
		}
	}

	return 1
}

// firstText returns the first line from n on, from 1, that is neither blank nor a comment.
func firstText(lines []string, n int) int {
	for i := n; i <= len(lines); i++ {
		line := strings.TrimSpace(lines[i-1])
		if line != "" && line[0] != '#' {
			return i
		}
	}
	return n
}

// plainSyntax says in plain words what the YAML parser found in a line.
func plainSyntax(text, source string) string {
	indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]
	switch {
	case strings.Contains(indent, "\t"):
		return "the line is indented with a tab, want spaces"
	case strings.Contains(text, "mapping values are not allowed"):
		return "the line does not fit the one before it: indent it like its neighbours, or quote a value that has a colon"
	case strings.Contains(text, "did not find expected key"), strings.Contains(text,
		"did not find expected '-'"):
		return "the line does not fit the indentation of the lines before it"
	case strings.Contains(text, "could not find expected ':'"):
		return "a key without a colon, want KEY: VALUE"
	case strings.Contains(text, "did not find expected ',' or"):
		return "a bracket is not closed"
	case strings.Contains(text, "unexpected end of stream"):
		return "a quote is not closed"
	case strings.Contains(text, "cannot start any token"):
		return "a value begins with a character that has a meaning in YAML, want it in quotes"
	}

	return text
}

// lineIn finds the line in a parser's own message: "line 3: ...", "(3, 7): ...", "3:7: ...".
func lineIn(err error) int {
	fields := strings.FieldsFunc(err.Error(), func(r rune) bool {
		return strings.ContainsRune(" :(,)", r)
	})

	for _, f := range fields {
		if n, e := strconv.Atoi(f); e == nil {
			return n
		}
	}

	return 0
}

// strip takes the parser's name and line off its message: both are said already.
func strip(err error) string {
	text := strings.TrimPrefix(err.Error(), "While parsing config: ")
	for _, p := range []string{"yaml: ", "toml: "} {
		text = strings.TrimPrefix(text, p)
	}

	if i := strings.Index(text, ": "); i > 0 && strings.HasPrefix(text, "line ") {
		text = text[i+2:]
	}

	return strings.Join(strings.Fields(text), " ")
}
