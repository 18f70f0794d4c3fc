package providers

import (
	"slices"
	"strings"
)

// several are the errors of several servers, told on one line.
type several []error

func (s several) Error() string {
	var said []string
	for _, err := range s {
		if text := err.Error(); !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "; ")
}

func (s several) Unwrap() []error { return s }

// joined returns the errors that are not nil as one, or nil.
func joined(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return several(errs)
}
