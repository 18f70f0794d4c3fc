package mailsvc

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/mailpub/mailpub/plan/sockerr"
)

// closed is said of a server that breaks off.
const closed = "the connection was closed"

// plainly says a network error without the addresses that its reader knows.
func plainly(err error) string {
	switch {
	case sockerr.Refused(err):
		return "connection refused: nothing listens"
	case sockerr.Unreachable(err):
		return "no route to the host"
	case errors.Is(err, io.EOF), sockerr.Broken(err):
		return closed
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded) || sockerr.Timeout(err):
		return "no answer in time"
	}
	return err.Error()
}

// fromAfar is plainly where routers are on the way: what refuses may be one of them, or a provider.
func fromAfar(err error) string {
	if sockerr.Refused(err) {
		return "connection refused"
	}
	return plainly(err)
}

// isDialError reports whether there was no connection at all.
func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
