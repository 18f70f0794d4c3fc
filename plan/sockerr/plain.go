package sockerr

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
)

// Plain returns an error with the same chain, whose text says in words what a socket reported. Go's own text
// repeats addresses and names system calls: `Post "https://a/": dial tcp 192.0.2.1:443: connect: connection
// refused`. Plain leaves out the address of a request, which its caller names, and names a peer that the rest of the
// text does not name. Errors without a socket's or a request's error stay as they are.
func Plain(err error) error {
	if err == nil {
		return nil
	}

	text := err.Error()
	var request *url.Error
	if errors.As(err, &request) {
		text = strings.Replace(text, request.Error(), request.Err.Error(), 1)
	}

	var op *net.OpError
	if errors.As(err, &op) {
		text = replaceOp(text, op)
	}

	if text == err.Error() {
		return err
	}

	return plain{text, err}
}

// plain is an error with another text.
type plain struct {
	text string
	err  error
}

func (p plain) Error() string { return p.text }
func (p plain) Unwrap() error { return p.err }

func replaceOp(text string, op *net.OpError) string {
	before, after, found := strings.Cut(text, op.Error())
	if !found {
		return text
	}

	words := Words(op)
	if op.Addr != nil && !strings.Contains(before+words+after, op.Addr.String()) {
		words += " (" + op.Addr.String() + ")"
	}

	return before + words + after
}

// Words says what an error of the network means, without addresses.
func Words(err error) string {
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the name " + name.Name + " does not exist"
	case errors.As(err, &name):
		return "cannot look up " + name.Name
	case Refused(err):
		return "connection refused"
	case Unreachable(err):
		return "no route to the host"
	case errors.Is(err, io.EOF), Broken(err):
		return "the connection was closed"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), Timeout(err):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}

	return err.Error()
}
