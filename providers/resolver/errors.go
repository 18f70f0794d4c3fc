package resolver

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// errorList are the errors of several servers, told on one line.
type errorList []error

func (s errorList) Error() string {
	var said []string
	for _, err := range s {
		if text := err.Error(); !slices.Contains(said, text) {
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
	return errorList(errs)
}

// Unnamed returns an error of a look-up without the servers that were asked, for those who are not to
// know them: strangers. What DNS itself said stays.
func Unnamed(err error) error {
	if err == nil {
		return nil
	}
	var several errorList
	if errors.As(err, &several) {
		var out []error
		for _, e := range several {
			out = append(out, Unnamed(e))
		}
		return JoinErrors(out)
	}
	var server ServerError
	var timeout TimeoutError
	var network *net.OpError
	switch {
	case errors.As(err, &timeout), errors.As(err, &network):
		return errors.New("no name server answers")
	case errors.As(err, &server):
		return fmt.Errorf("the name server says %w", server.Err)
	}
	return err
}
