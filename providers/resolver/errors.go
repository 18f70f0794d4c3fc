package resolver

import (
	"slices"
	"strings"
)

// errorList are the errors of several servers, told on one line.
type errorList []error

func (s errorList) Error() string {
	var said []string
	for _, err := range s {
		text := err.Error()
		if !slices.ContainsFunc(said, func(s string) bool { return s == text || strings.HasSuffix(s, ": "+text) }) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "; ")
}

func (s errorList) Unwrap() []error { return s }

// JoinErrors returns the errors that are not nil as one, or nil.
func JoinErrors(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}

	var flat errorList
	for _, err := range errs {
		if several, ok := err.(errorList); ok {
			flat = append(flat, several...)
			continue
		}
		flat = append(flat, err)
	}

	return flat
}
