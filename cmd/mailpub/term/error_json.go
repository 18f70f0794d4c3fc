package term

import (
	"errors"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// ErrorFormat names the JSON of an error.
const ErrorFormat = "mailpub/error/v1"

// Failure is an error as a JSON document: what a command with --json prints in place of its own.
type Failure struct {
	Format   string        `json:"format"`
	Error    string        `json:"error"`
	Next     string        `json:"next,omitempty"`     // what to do, where that is known
	Mistakes []ConfigError `json:"mistakes,omitempty"` // of the config, all of them
	Exit     int           `json:"exit"`
}

// ConfigError is one of the config's.
type ConfigError struct {
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`

	Column int `json:"column,omitempty"` // of a file that cannot be parsed
}

func configError(p config.Problem) ConfigError {
	return ConfigError{
		File:   p.File,
		Line:   p.Line,
		Column: p.Column,
		Field:  p.Field,
		Text:   p.Text,
	}
}

// PrintFailure prints an error as JSON where --json asks for that, unless the command has printed its
// document already: standard output holds one.
func PrintFailure(u *UI, err error, exit int, documented func(config.Errors) string) error {
	if !u.JSON || u.printed {
		return nil
	}

	out := Failure{Format: ErrorFormat, Error: err.Error(), Exit: exit}
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			out.Mistakes = append(out.Mistakes, configError(m))
		}
		if mistakes.OnlySecrets() {
			out.Next = strings.Join(secretSteps(u, mistakes), "; ")
		} else if key := documented(mistakes); key != "" {
			out.Next = "mailpub explain " + key
		}
	} else {
		out.Next = nextStep(u, err)
	}

	return u.PrintJSON(out)
}
