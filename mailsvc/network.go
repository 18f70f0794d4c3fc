package mailsvc

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
)

// closed is said of a server that breaks off.
const closed = "the connection was closed"

// What the network says of a connection. The second numbers are those of Windows (winsock2.h), whose
// errors are none of syscall's names there; no other system has numbers like these.
var (
	refusals    = []syscall.Errno{syscall.ECONNREFUSED, 10061}
	unreachable = []syscall.Errno{syscall.EHOSTUNREACH, syscall.ENETUNREACH, 10065, 10051}
	breaks      = []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE, 10054, 10053}
)

// plainly says a network error without the addresses that its reader knows.
func plainly(err error) string {
	switch {
	case oneOf(err, refusals):
		return "connection refused: nothing listens"
	case oneOf(err, unreachable):
		return "no route to the host"
	case errors.Is(err, io.EOF), oneOf(err, breaks):
		return closed
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return "no answer in time"
	}
	return err.Error()
}

// fromAfar is plainly where routers are on the way: what refuses may be one of them, or a provider.
func fromAfar(err error) string {
	if oneOf(err, refusals) {
		return "connection refused"
	}
	return plainly(err)
}

// oneOf reports whether an error is the system's, with one of these numbers.
func oneOf(err error, numbers []syscall.Errno) bool {
	var number syscall.Errno
	return errors.As(err, &number) && slices.Contains(numbers, number)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// isDialError reports whether there was no connection at all.
func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
