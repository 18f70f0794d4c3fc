package resolver

import (
	"errors"
	"fmt"
	"net"
)

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
