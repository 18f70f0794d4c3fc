package smtpclient

import (
	"errors"
	"net"

	"github.com/mailpub/mailpub/plan/sockerr"
)

// ConnectionClosed is said of a server that breaks off.
const ConnectionClosed = "the connection was closed"

// ErrorText says a network error without the addresses that its reader knows.
func ErrorText(err error) string {
	if sockerr.Refused(err) {
		return "connection refused: nothing listens"
	}
	return sockerr.Words(err)
}

// RemoteErrorText is plainly where routers are on the way: what refuses may be one of them, or a provider.
func RemoteErrorText(err error) string {
	if sockerr.Refused(err) {
		return "connection refused"
	}
	return ErrorText(err)
}

// IsDialError reports whether there was no connection at all.
func IsDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
