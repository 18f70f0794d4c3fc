package term

import (
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// Validated is a config file that was checked.
type Validated struct {
	File string
	Err  error // nil for a valid one
}

// ValidatedFormat names the JSON of checked files.
const ValidatedFormat = "mailpub/validate/v1"

// ShowValidated prints which files are valid, and the mistakes of the others on standard error.
func ShowValidated(u *UI, files []Validated) error {
	type file struct {
		File     string        `json:"file"`
		Valid    bool          `json:"valid"`
		Mistakes []ConfigError `json:"mistakes"`
	}

	list := []file{}
	for _, f := range files {
		one := file{File: f.File, Valid: f.Err == nil, Mistakes: []ConfigError{}}
		var mistakes config.Errors
		switch {
		case f.Err == nil:
			fmt.Fprintf(u.Text(), "%s is valid\n", f.File)
		case errors.As(f.Err, &mistakes):
			ShowMistakes(u, mistakes)
			for _, m := range mistakes {
				one.Mistakes = append(one.Mistakes, configError(m))
			}
		default:
			fmt.Fprintln(u.Err, Clean(f.Err.Error()))
			one.Mistakes = append(one.Mistakes, ConfigError{File: f.File, Text: f.Err.Error()})
		}

		list = append(list, one)
	}

	if !u.JSON {
		return nil
	}

	return u.PrintJSON(map[string]any{"format": ValidatedFormat, "files": list})
}
